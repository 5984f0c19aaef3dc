"""Model card: how a model folder is to be read, and whether it is whole."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from rag.errors import ModelError

FLOAT_GROUP: Final = 32
"""Inputs of one inference of a float model: enough to fill a GPU, little padding once sorted."""


@dataclass(frozen=True, slots=True)
class ModelCard:
    """Say how a model folder is to be read."""

    max_tokens: int = 512
    """Longest input in tokens, special tokens included; what is beyond is cut off."""
    pooling: str = "mean"
    """How the rows of the last layer become one, where the model does not do it itself."""
    group: int = FLOAT_GROUP
    """Inputs of one inference. 1 for int8: its activations share one scale over the whole
    inference, so that company would change a text's vector (cosine 0.985 seen), for no speed."""
    sha256: Mapping[str, str] = field(default_factory=dict)
    """Hash of each file, as the export wrote it."""

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read config.json and, where present, the sentence-transformers file.

        Raises:
            ModelError: a file is missing, or is not a JSON object.

        """
        for name in ("model.onnx", "tokenizer.json"):
            if not (folder / name).is_file():
                raise ModelError(f"{folder / name}: not found. Set MODEL_DIR to the folder that holds it.")
        config = _read_json(folder / "config.json")
        sentence = _read_json(folder / "sentence_bert_config.json")
        limits = (
            config.get("max_length"),
            sentence.get("max_seq_length"),
            config.get("max_position_embeddings"),
        )
        return cls(
            max_tokens=next((int(limit) for limit in limits if limit), 512),
            pooling=str(config.get("pooling", "mean")),
            group=1 if config.get("precision") == "int8" else FLOAT_GROUP,
            sha256={name: entry["sha256"] for name, entry in config.get("files", {}).items()},
        )

    def verify(self, folder: Path) -> None:
        """Compare every file with the hash in the card; 15 ms for 23 MB.

        Raises:
            ModelError: names the first file that differs.

        """
        for name, expected in self.sha256.items():
            with (folder / name).open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
            if found != expected:
                raise ModelError(
                    f"{folder / name}: found sha256 {found[:12]}…, expected {expected[:12]}…. Export again."
                )


def _read_json(path: Path) -> Mapping[str, Any]:
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_bytes())
    except ValueError as exc:
        raise ModelError(f"{path}: not JSON: {exc}") from exc
    if not isinstance(content, dict):
        raise ModelError(f"{path}: found {type(content).__name__}, expected an object.")
    return content
