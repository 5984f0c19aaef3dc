"""Take a ready-made ONNX model as it is, after looking for what it could do harm with."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import onnx

from models.errors import ModelError, UnsafeFile, Unsupported
from models.heads import OUTPUT, SCORES
from models.lockfile import is_inside

DOMAINS: Final = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft", "com.microsoft.nchwc"})
"""Operator sets that the runtime carries itself; others need a library of the model's author."""
PREFERRED: Final = (OUTPUT, SCORES, "last_hidden_state", "token_embeddings")
TOKENS_RANK: Final = 3


@dataclass(frozen=True, slots=True)
class ReadyModel:
    """A ready-made model file and how to use it."""

    path: Path
    inputs: list[str]
    output: str
    """Name of the output to read."""
    pooled: bool
    """True when the output is one vector per text, False when one per token."""
    weights: list[Path]
    """Files that the model reads its weights from."""


def find_ready(directory: Path) -> ReadyModel | None:
    """Return the one ONNX model of a directory, None when there is none.

    Raises:
        ModelError: more than one, or not readable.
        UnsafeFile: weights outside the directory, or foreign operators.
        Unsupported: no output that could be an embedding.

    """
    found = sorted(directory.rglob("*.onnx"))
    if not found:
        return None
    if len(found) > 1:
        names = ", ".join(str(path.relative_to(directory)) for path in found)
        raise ModelError(f"found {names}, expected one .onnx file. List only one in the model's files.")
    return read_ready(found[0])


def read_ready(path: Path) -> ReadyModel:
    """Look into one ONNX file; see find_ready."""
    try:
        model = onnx.load(str(path), load_external_data=False)
        onnx.checker.check_model(model) if _plain(model) else None
    except Exception as error:  # protobuf and the checker raise their own classes
        raise ModelError(f"{path.name}: not a valid ONNX model: {error}") from error
    _require_known_operators(path.name, model)
    outputs = {value.name: len(value.type.tensor_type.shape.dim) for value in model.graph.output}
    chosen = next((name for name in PREFERRED if name in outputs), next(iter(outputs), ""))
    if outputs.get(chosen) not in (TOKENS_RANK - 1, TOKENS_RANK):
        raise Unsupported(f"{path.name}: outputs {outputs}, expected one of {', '.join(PREFERRED)}")
    names = {value.name for value in model.graph.initializer}
    return ReadyModel(
        path=path,
        inputs=[value.name for value in model.graph.input if value.name not in names],
        output=chosen,
        pooled=outputs[chosen] < TOKENS_RANK,
        weights=_weights(path, model),
    )


def _plain(model: Any) -> bool:
    """Tell whether the checker can judge it: it knows neither contrib operators nor absent weights."""
    outside = any(tensor.external_data for tensor in model.graph.initializer)
    return not outside and all(opset.domain in ("", "ai.onnx") for opset in model.opset_import)


def _require_known_operators(name: str, model: Any) -> None:
    used = {node.domain for node in model.graph.node} | {opset.domain for opset in model.opset_import}
    foreign = sorted(used - DOMAINS - {function.domain for function in model.functions})
    if foreign:
        raise UnsafeFile(f"{name}: operators of {', '.join(foreign)} need a library that is not shipped.")


def _weights(path: Path, model: Any) -> list[Path]:
    entries = (entry for tensor in model.graph.initializer for entry in tensor.external_data)
    places = sorted({entry.value for entry in entries if entry.key == "location"})
    for place in places:
        if not is_inside(place) or not (path.parent / place).resolve().is_relative_to(path.parent.resolve()):
            raise UnsafeFile(f"{path.name}: weights at {place!r}, expected a file next to the model.")
        if not (path.parent / place).is_file():
            raise ModelError(f"{path.name}: its weights {place!r} are missing. Add them to the files.")
    return [path.parent / place for place in places]
