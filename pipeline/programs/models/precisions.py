"""Choose how numbers are stored and multiplied: fp32, fp16 or int8.

An encoder is written once; a precision decides what a table look-up, a dense layer and an attention
become.
"""

from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol

import numpy as np

from models.graph import FLOAT_TYPES, GraphWriter
from models.quantize import quantize_columns, quantize_rows, smoothing

ROW_FLOOR: Final = 0.2  # GELU never goes below -0.17, so a row divided by at least 0.2 lies within [-1, 1]


@dataclass(frozen=True, slots=True)
class Signal:
    """An activation in the graph, with what is known about its range."""

    name: str
    """Tensor name, float (n, t, width)."""
    rows: Literal["alike", "signed", "positive"] = "signed"
    """Alike: of one height. Signed: of their own height, both ways. Positive: so, and never below -0.17."""


@dataclass(frozen=True, slots=True)
class Heads:
    """The fused query, key and value projection of one attention."""

    weight: Any
    """float32 (hidden, 3 * hidden): query, key and value side by side."""
    bias: Any
    """float32 (3 * hidden,)."""
    count: int
    """Number of attention heads."""
    mask: str
    """Tensor name, int32 (n, t) of 0 and 1."""


class Precision(Protocol):
    """What an encoder needs from a number format."""

    @property
    def name(self) -> str:
        """Return the name in config.json: fp32, fp16 or int8."""

    @property
    def dtype(self) -> str:
        """Return the numpy name of the activations' type."""

    def embed(self, g: GraphWriter, name: str, table: Any, index: str) -> str:
        """Look rows of a table up by an int64 index tensor."""

    def positions(self, g: GraphWriter, name: str, table: Any, length: str) -> str:
        """Take the first `length` rows of a table."""

    def dense(self, g: GraphWriter, name: str, signal: Signal, weight: Any) -> str:
        """Multiply by a (in, out) weight; the bias is added by the next node."""

    def attention(self, g: GraphWriter, name: str, signal: Signal, heads: Heads) -> str:
        """Project to heads and attend."""


@dataclass(frozen=True, slots=True)
class Floating:
    """Keep weights as float32 or float16 and compute in the same type."""

    name: str
    dtype: str

    def embed(self, g: GraphWriter, name: str, table: Any, index: str) -> str:
        """Gather float rows."""
        return g.add("Gather", [g.tensor(f"{name}.weight", table.astype(self.dtype)), index], name)

    def positions(self, g: GraphWriter, name: str, table: Any, length: str) -> str:
        """Slice float rows."""
        weight = g.tensor(f"{name}.weight", table.astype(self.dtype))
        return g.add("Slice", [weight, g.axes(0), length, g.axes(0)], name)

    def dense(self, g: GraphWriter, name: str, signal: Signal, weight: Any) -> str:
        """Multiply in floating point."""
        return g.add("MatMul", [signal.name, g.tensor(f"{name}.weight", weight.astype(self.dtype))], name)

    def attention(self, g: GraphWriter, name: str, signal: Signal, heads: Heads) -> str:
        """Use the runtime's fused attention."""
        weight = g.tensor(f"{name}.weight", heads.weight.astype(self.dtype))
        bias = g.tensor(f"{name}.bias", heads.bias.astype(self.dtype))
        return g.add("Attention", [signal.name, weight, bias, heads.mask], name, num_heads=heads.count)


@dataclass(frozen=True, slots=True)
class Int8:
    """Keep weights as int8 per channel and quantise activations at run time.

    One range for a whole activation tensor loses short texts, and more so in a batch: cosine 0.961 at
    worst for MiniLM. So channels are levelled where an activation comes out of a normalisation, and rows
    in the feed-forward part: 0.993 alone, 0.989 in batches, for 2 % of the time.
    """

    reaches: dict[str, Any] = field(default_factory=dict)
    """Largest magnitude per channel, float32 (width,), of the signals that were measured."""
    name: str = "int8"
    dtype: str = "float32"

    def embed(self, g: GraphWriter, name: str, table: Any, index: str) -> str:
        """Gather int8 rows and their scales."""
        quantized = quantize_rows(table)
        rows = g.add("Gather", [g.tensor(f"{name}.weight", quantized.values), index], f"{name}.rows")
        scales = g.add("Gather", [g.tensor(f"{name}.scale", quantized.scales), index], f"{name}.scales")
        return self._restore(g, name, rows, scales)

    def positions(self, g: GraphWriter, name: str, table: Any, length: str) -> str:
        """Slice int8 rows and their scales."""
        quantized = quantize_rows(table)
        window = [g.axes(0), length, g.axes(0)]
        rows = g.add("Slice", [g.tensor(f"{name}.weight", quantized.values), *window], f"{name}.rows")
        scales = g.add("Slice", [g.tensor(f"{name}.scale", quantized.scales), *window], f"{name}.scales")
        return self._restore(g, name, rows, scales)

    def dense(self, g: GraphWriter, name: str, signal: Signal, weight: Any) -> str:
        """Multiply in int8, with channels and rows levelled where it matters."""
        source, weight = self._level_channels(g, name, signal, weight)
        quantized = quantize_columns(weight)
        tensors = [g.tensor(f"{name}.weight", quantized.values), g.tensor(f"{name}.scale", quantized.scales)]
        if signal.rows == "alike":
            return g.add("DynamicQuantizeMatMul", [source, *tensors], name)
        height = self._row_height(g, name, source, signal.rows == "positive")
        level = g.add("Div", [source, height], f"{name}.level")
        product = g.add("DynamicQuantizeMatMul", [level, *tensors], f"{name}.product")
        return g.add("Mul", [product, height], name)

    def attention(self, g: GraphWriter, name: str, signal: Signal, heads: Heads) -> str:
        """Project in int8 and attend in float32, in one node."""
        source, weight = self._level_channels(g, name, signal, heads.weight)
        quantized = quantize_columns(weight)
        parts = [f"{name}.quantized", f"{name}.range", f"{name}.zero"]
        g.add("DynamicQuantizeLinear", [source], parts)
        inputs = [
            parts[0],
            g.tensor(f"{name}.weight", quantized.values),
            g.tensor(f"{name}.bias", heads.bias.astype(self.dtype)),
            parts[1],
            g.tensor(f"{name}.scale", quantized.scales),
            heads.mask,
            parts[2],
            g.tensor(f"{name}.weight_zero", np.zeros(quantized.scales.shape, np.int8)),
        ]
        return g.add("QAttention", inputs, name, num_heads=heads.count)

    def _restore(self, g: GraphWriter, name: str, rows: str, scales: str) -> str:
        floats = g.add("Cast", [rows], f"{name}.floats", to=FLOAT_TYPES[self.dtype])
        return g.add("Mul", [floats, scales], name)

    def _row_height(self, g: GraphWriter, name: str, source: str, positive: bool) -> str:
        rows = source if positive else g.add("Abs", [source], f"{name}.magnitude")
        peak = g.add("ReduceMax", [rows, g.axes(-1)], f"{name}.peak", keepdims=1)
        floor = g.tensor("row_floor", np.array(ROW_FLOOR, self.dtype))
        return g.add("Max", [peak, floor], f"{name}.height")

    def _level_channels(self, g: GraphWriter, name: str, signal: Signal, weight: Any) -> tuple[str, Any]:
        reach = self.reaches.get(signal.name)
        if reach is None:
            return signal.name, weight
        factors = smoothing(reach, weight)
        inverse = g.tensor(f"{name}.smooth", (1 / factors).astype(self.dtype))
        return g.add("Mul", [signal.name, inverse], f"{name}.smoothed"), weight * factors[:, None]


FLOATING: Final = {
    "onnx-fp32": Floating("fp32", "float32"),
    "onnx-fp16": Floating("fp16", "float16"),
}
