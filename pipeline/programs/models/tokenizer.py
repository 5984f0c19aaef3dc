"""Set a tokenizer to what the service uses: one length, one padding."""

from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from models.checkpoint import Encoder, read_json
from models.errors import ModelError
from models.pooling import Pooling


def text_length(directory: Path, encoder: Encoder, pooling: Pooling) -> int:
    """Return the longest text in tokens, special tokens included."""
    declared = pooling.max_length or _optional(directory / "tokenizer_config.json").get("model_max_length")
    return min(int(declared), encoder.positions) if declared else encoder.positions


def prepared_tokenizer(directory: Path, encoder: Encoder, length: int) -> Tokenizer:
    """Load tokenizer.json with truncation at `length` and padding per batch.

    Raises:
        ModelError: tokenizer.json is missing or the library cannot read it.

    """
    path = directory / "tokenizer.json"
    if not path.exists():
        raise ModelError('tokenizer.json is missing. Add "tokenizer.json" to the model\'s files.')
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises plain Exception
        raise ModelError(f"tokenizer.json: the tokenizers library cannot read it: {error}") from error
    token = tokenizer.id_to_token(encoder.pad_id)
    if token is None:
        raise ModelError(
            f"tokenizer.json has no token {encoder.pad_id}, which config.json names as pad_token_id"
        )
    tokenizer.enable_truncation(max_length=length)
    tokenizer.enable_padding(pad_id=encoder.pad_id, pad_token=token)
    return tokenizer


def _optional(path: Path) -> dict[str, Any]:
    return read_json(path) if path.exists() else {}
