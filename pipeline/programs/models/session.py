"""Run a model on tokenised texts with ONNX Runtime on the processor."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Read when the library is loaded: without it ONNX Runtime reports home.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import numpy as np
import onnxruntime
from tokenizers import Tokenizer

from models.errors import ModelError, Unsupported

ERRORS_ONLY = 3
Text = str | tuple[str, str]
"""A text, or a pair that is encoded as one."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """A batch of tokenised texts, int64 (n, t) each."""

    input_ids: Any
    attention_mask: Any
    token_type_ids: Any


def tokenise(tokenizer: Tokenizer, texts: Sequence[Text]) -> list[Tokens]:
    """Tokenise each text alone, so that no padding enters."""
    return [tokenise_batch(tokenizer, [text]) for text in texts]


def tokenise_batch(tokenizer: Tokenizer, texts: Sequence[Text]) -> Tokens:
    """Tokenise texts together, padded to the longest."""
    encodings = tokenizer.encode_batch(list(texts))
    columns = (
        [e.ids for e in encodings],
        [e.attention_mask for e in encodings],
        [e.type_ids for e in encodings],
    )
    return Tokens(*(np.array(column, np.int64) for column in columns))


class Session:
    """A loaded model that takes Tokens."""

    def __init__(self, model: bytes | Path) -> None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = ERRORS_ONLY
        # A waiting thread that spins takes the processor from whatever else the builder makes.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        source = str(model) if isinstance(model, Path) else model
        try:
            self._session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the runtime raises a dozen unrelated classes
            raise ModelError(f"ONNX Runtime cannot load the model: {error}") from error
        self._inputs = [value.name for value in self._session.get_inputs()]

    def run(self, tokens: Tokens, outputs: Sequence[str]) -> list[Any]:
        """Return the named outputs for one batch."""
        unknown = [name for name in self._inputs if not hasattr(tokens, name)]
        if unknown:
            raise Unsupported(
                f"the model wants {', '.join(unknown)}, expected token ids, mask and types only"
            )
        try:
            found: list[Any] = self._session.run(
                list(outputs), {name: getattr(tokens, name) for name in self._inputs}
            )
        except Exception as error:  # the runtime raises a dozen unrelated classes
            raise ModelError(
                f"the model does not run, its sizes contradict its config.json: {error}"
            ) from error
        return found
