"""Measure how far each channel of an encoder's activations reaches."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import TensorProto, helper

from models.graph import model_bytes
from models.session import Session, Tokens


def measure_reaches(model: Any, signals: Sequence[str], texts: Sequence[Tokens]) -> dict[str, Any]:
    """Run a float32 model and return the largest magnitude per channel.

    Returns:
        For each signal float32 (width,), over all tokens of all texts.

    """
    probe = type(model)()
    probe.CopyFrom(model)
    for name in signals:
        probe.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", "t", None]))
    session = Session(model_bytes(probe))
    reaches: dict[str, Any] = {}
    for tokens in texts:
        for name, values in zip(signals, session.run(tokens, signals), strict=True):
            peak = np.abs(values).max(axis=(0, 1))
            reaches[name] = np.maximum(reaches.get(name, peak), peak)
    return reaches
