"""End a graph: token vectors in, one vector or one row of scores per text out."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from onnx import TensorProto

from models.graph import GraphWriter
from models.pooling import Pooling

OUTPUT: Final = "sentence_embedding"
SCORES: Final = "logits"
TINY_NORM: Final = 1e-12  # what sentence-transformers divides by at least


def add_pooling(g: GraphWriter, tokens: str, pooling: Pooling) -> None:
    """Turn float32 (n, t, hidden) into the output, in float32 throughout."""
    pooled = {"mean": _mean, "cls": _cls, "max": _max}[pooling.mode](g, tokens)
    if not pooling.normalize:
        g.add("Identity", [pooled], OUTPUT)
        return
    length = g.add("ReduceL2", [pooled, g.axes(1)], "pooled_length", keepdims=1)
    divisor = g.add("Max", [length, g.tensor("tiny", np.array(TINY_NORM, np.float32))], "divisor")
    g.add("Div", [pooled, divisor], OUTPUT)


def _mean(g: GraphWriter, tokens: str) -> str:
    weight = _token_weight(g)
    total = g.add("ReduceSum", [g.add("Mul", [tokens, weight], "kept"), g.axes(1)], "total", keepdims=0)
    count = g.add("ReduceSum", [weight, g.axes(1)], "count", keepdims=0)
    return g.add("Div", [total, count], "mean")


def _cls(g: GraphWriter, tokens: str) -> str:
    # A list of one index, not a scalar: the runtime merges equal constants whatever their rank.
    first = g.add("Gather", [tokens, g.axes(0)], "first_token", axis=1)
    return g.add("Squeeze", [first, g.axes(1)], "cls")


def _max(g: GraphWriter, tokens: str) -> str:
    real = g.add("Greater", [_token_weight(g), g.tensor("zero", np.array(0, np.float32))], "is_token")
    floor = g.tensor("lowest", np.array(-1e9, np.float32))
    return g.add("ReduceMax", [g.add("Where", [real, tokens, floor], "kept"), g.axes(1)], "max", keepdims=0)


def _token_weight(g: GraphWriter) -> str:
    weight = g.add("Cast", ["attention_mask"], "float_mask", to=TensorProto.FLOAT)
    return g.add("Unsqueeze", [weight, g.axes(-1)], "token_weight")


def add_classifier(g: GraphWriter, tokens: str, layers: Sequence[tuple[Any, Any, str]]) -> None:
    """Turn the first token, float32 (n, t, hidden), into scores (n, labels).

    Each layer is a weight (in, out), a bias (out,) and an activation, "" for none. They stay in float32:
    they are small, and a score has no direction that would forgive an error.
    """
    state = _cls(g, tokens)
    for i, (weight, bias, activation) in enumerate(layers):
        product = g.add("MatMul", [state, g.tensor(f"head{i}.weight", weight)], f"head{i}.product")
        last = i == len(layers) - 1
        state = g.add("Add", [product, g.tensor(f"head{i}.bias", bias)], SCORES if last else f"head{i}.sum")
        state = g.add(activation, [state], f"head{i}.active") if activation else state
