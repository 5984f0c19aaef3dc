"""Write an ONNX graph node by node, with names that never change."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET: Final = 18  # the first in which every Reduce* takes its axes as an input
IR_VERSION: Final = 10  # read by onnxruntime >= 1.18
CONTRIB: Final = "com.microsoft"
CONTRIB_OPS: Final = frozenset(
    {
        "Attention",
        "BiasGelu",
        "DynamicQuantizeMatMul",
        "FastGelu",
        "QAttention",
        "SkipLayerNormalization",
    }
)
FLOAT_TYPES: Final = {"float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16}


class GraphWriter:
    """Collect nodes and weights in order; the same calls give the same bytes."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._tensors: dict[str, Any] = {}

    def add(self, op: str, inputs: Sequence[str], outputs: str | Sequence[str], **attributes: Any) -> str:
        """Append one node named after its first output; return that output."""
        names = [outputs] if isinstance(outputs, str) else list(outputs)
        domain = CONTRIB if op in CONTRIB_OPS else ""
        node = helper.make_node(op, list(inputs), names, name=names[0], domain=domain, **attributes)
        self._nodes.append(node)
        return names[0]

    def tensor(self, name: str, array: Any) -> str:
        """Store a constant once under its name; return the name."""
        self._tensors.setdefault(name, np.ascontiguousarray(array))
        return name

    def axes(self, *axes: int) -> str:
        """Store an int64 list of axes or bounds; return its name."""
        return self.tensor("int_" + "_".join(map(str, axes)), np.array(axes, np.int64))

    def model(self, inputs: Sequence[str], outputs: dict[str, int]) -> Any:
        """Close the graph over int64 (n, t) inputs and float32 (n, width) outputs."""
        graph = helper.make_graph(
            self._nodes,
            "encoder",
            [helper.make_tensor_value_info(name, TensorProto.INT64, ["n", "t"]) for name in inputs],
            [
                helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n", width])
                for n, width in outputs.items()
            ],
            [numpy_helper.from_array(array, name) for name, array in self._tensors.items()],
        )
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(CONTRIB, 1)]
        return helper.make_model(
            graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="wheelhouse"
        )


def model_bytes(model: Any) -> bytes:
    """Serialise a model the same way on every run."""
    return bytes(model.SerializeToString(deterministic=True))


def external_paths(model: Any) -> list[str]:
    """List the files that a model's weights are read from, beside the model."""
    entries = (entry for tensor in model.graph.initializer for entry in tensor.external_data)
    return sorted({entry.value for entry in entries if entry.key == "location"})


def load_model(data: bytes) -> Any:
    """Read a model from bytes, without following external weights."""
    return onnx.load_model_from_string(data)
