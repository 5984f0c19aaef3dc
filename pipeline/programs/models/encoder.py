"""Build the ONNX graph of a BERT-family encoder, its head included."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import TensorProto

from models.checkpoint import Encoder, Weights
from models.errors import ModelError
from models.graph import FLOAT_TYPES, GraphWriter
from models.heads import OUTPUT, SCORES, add_classifier, add_pooling
from models.pooling import Pooling
from models.precisions import Heads, Precision, Signal


@dataclass(frozen=True, slots=True)
class EncoderGraph:
    """One encoder being written in one precision."""

    encoder: Encoder
    weights: Weights
    precision: Precision
    g: GraphWriter

    def embed(self) -> Signal:
        """Sum word, position and segment rows, then normalise."""
        e, p = self.encoder, "embeddings."
        total = self.precision.embed(self.g, "words", self.weights[p + "word_embeddings.weight"], "input_ids")
        total = self.g.add("Add", [total, self._positions()], "words_at_positions")
        table = p + "token_type_embeddings.weight"
        if e.segments:
            rows = self.precision.embed(self.g, "segments", self.weights[table], "token_type_ids")
            total = self.g.add("Add", [total, rows], "embedded")
        elif table in self.weights:
            row = self.g.tensor("segment", self.weights[table][0].astype(self.precision.dtype))
            total = self.g.add("Add", [total, row], "embedded")
        tensors = self._norm_tensors("embeddings_norm", p + "LayerNorm")
        self.g.add("LayerNormalization", [total, *tensors], "state", axis=-1, epsilon=e.epsilon)
        return Signal("state")

    def _positions(self) -> str:
        table = self.weights["embeddings.position_embeddings.weight"]
        if self.encoder.offset is None:
            length = self.g.add("Shape", ["input_ids"], "length", start=1, end=2)
            return self.precision.positions(self.g, "positions", table, length)
        pad = self.g.tensor("pad_id", np.array(self.encoder.offset, np.int64))
        is_pad = self.g.add("Equal", ["input_ids", pad], "is_pad")
        real = self.g.add("Cast", [self.g.add("Not", [is_pad], "is_real")], "real", to=TensorProto.INT64)
        order = self.g.add("CumSum", [real, self.g.tensor("axis_1", np.array(1, np.int64))], "order")
        index = self.g.add("Add", [self.g.add("Mul", [order, real], "counted"), pad], "position_ids")
        return self.precision.embed(self.g, "positions", table, index)

    def layer(self, i: int, state: Signal, mask: str) -> Signal:
        """Attend, add, normalise; widen, activate, narrow, add, normalise."""
        names, here = self.encoder.layout, self.encoder.layout.layer.format(i=i)
        heads = Heads(*self._projections(here), self.encoder.heads, mask)
        attended = Signal(self.precision.attention(self.g, f"layer{i}.attention", state, heads), "alike")
        mixed, bias = self._dense(f"layer{i}.attended", attended, here + names.attended)
        middle = self._add_norm(f"layer{i}.middle", (mixed, state.name, bias), here + names.attention_norm)
        wide, bias = self._dense(f"layer{i}.wide", middle, here + names.widen)
        active = Signal(self._activate(f"layer{i}.active", wide, bias), "positive")
        narrow, bias = self._dense(f"layer{i}.narrow", active, here + names.narrow)
        return self._add_norm(f"layer{i}.state", (narrow, middle.name, bias), here + names.output_norm)

    def _projections(self, here: str) -> tuple[Any, Any]:
        names = self.encoder.layout
        parts = [self.weights.linear(here + name) for name in (names.query, names.key, names.value)]
        return np.concatenate([w for w, _ in parts], axis=1), np.concatenate([b for _, b in parts])

    def _dense(self, name: str, signal: Signal, source: str) -> tuple[str, str]:
        weight, bias = self.weights.linear(source)
        product = self.precision.dense(self.g, name, signal, weight)
        return product, self.g.tensor(f"{name}.bias", bias.astype(self.precision.dtype))

    def _add_norm(self, name: str, terms: tuple[str, str, str], source: str) -> Signal:
        product, skip, product_bias = terms
        inputs = [product, skip, *self._norm_tensors(f"{name}.norm", source), product_bias]
        self.g.add("SkipLayerNormalization", inputs, name, epsilon=self.encoder.epsilon)
        return Signal(name)

    def _norm_tensors(self, name: str, source: str) -> list[str]:
        dtype = self.precision.dtype
        gain, bias = self.weights.norm(source)
        return [
            self.g.tensor(f"{name}.gain", gain.astype(dtype)),
            self.g.tensor(f"{name}.bias", bias.astype(dtype)),
        ]

    def _activate(self, name: str, wide: str, bias: str) -> str:
        if self.encoder.activation == "Relu":
            return self.g.add("Relu", [self.g.add("Add", [wide, bias], f"{name}.biased")], name)
        return self.g.add(self.encoder.activation, [wide, bias], name)


def build_model(encoder: Encoder, weights: Weights, pooling: Pooling, precision: Precision) -> Any:
    """Write the whole model: token ids in, one float32 vector per text out.

    Inputs are int64 (n, t). The output is `sentence_embedding`, float32 (n, hidden), rows of L2 norm 1
    when the pooling normalises; for a model that ranks pairs it is `logits`, float32 (n, labels).
    """
    require_shapes(encoder, weights)
    g = GraphWriter()
    graph = EncoderGraph(encoder, weights, precision, g)
    mask = g.add("Cast", ["attention_mask"], "mask", to=TensorProto.INT32)
    state = graph.embed()
    for i in range(encoder.layers):
        state = graph.layer(i, state, mask)
    tokens = state.name
    if precision.dtype != "float32":
        tokens = g.add("Cast", [tokens], "tokens", to=FLOAT_TYPES["float32"])
    if not encoder.ranks_pairs:
        add_pooling(g, tokens, pooling)
        return g.model(input_names(encoder), {OUTPUT: encoder.hidden})
    head = [(*weights.linear(name), activation) for name, activation in encoder.layout.head]
    add_classifier(g, tokens, head)
    return g.model(input_names(encoder), {SCORES: head[-1][0].shape[1]})


def require_shapes(encoder: Encoder, weights: Weights) -> None:
    """Stop when the weights have other sizes than config.json says.

    Raises:
        ModelError: names the weight, its shape and the one expected.

    """
    here, hidden = encoder.layout.layer.format(i=encoder.layers - 1), encoder.hidden
    if encoder.heads < 1 or hidden % encoder.heads:
        raise ModelError(f"config.json: {encoder.heads} attention heads do not divide {hidden} channels")
    checked = [f"{here}{name}.weight" for name in (encoder.layout.query, encoder.layout.attended)]
    for name in checked:
        if weights[name].shape != (hidden, hidden):
            raise ModelError(f"{name}: shape {weights[name].shape}, config.json says {(hidden, hidden)}")


def normalised_signals(encoder: Encoder) -> list[str]:
    """List the tensors that come out of a layer normalisation and enter a dense layer."""
    inner = [f"layer{i}.{part}" for i in range(encoder.layers) for part in ("middle", "state")]
    return ["state", *inner[:-1]]


def input_names(encoder: Encoder) -> list[str]:
    """List the graph's inputs in the order tokenizers give them."""
    return ["input_ids", "attention_mask", *(["token_type_ids"] if encoder.segments else [])]


def output_name(encoder: Encoder) -> str:
    """Return the name of the graph's output."""
    return SCORES if encoder.ranks_pairs else OUTPUT
