"""Vocabulary of foreign token ids: ids in, text out."""

import base64
import hashlib
import re
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rag.errors import InputError, ModelError

SHA256: Final = 0x223921B76EE99BDE995B7FF738513EEF100FB51D18C93597A113BCFFE865B2A7
"""Hash of cl100k_base.tiktoken, as tiktoken itself expects it."""

SPECIAL: Final = {
    100257: b"<|endoftext|>",
    100258: b"<|fim_prefix|>",
    100259: b"<|fim_middle|>",
    100260: b"<|fim_suffix|>",
    100276: b"<|endofprompt|>",
}
"""Ids that the file does not list."""


class Cl100kBase:
    """Vocabulary that OpenAI's embedding models read, and that their clients encode with.

    The file has one line per id, in order: the token in base64, a space, the id. Lines are decoded
    when they are needed: 2 MB of memory from the first token ids on, none before.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines = b""
        self._starts = array("I")

    def verify(self) -> None:
        """Compare the file with its published hash; 2 ms.

        Raises:
            ModelError: the file is absent or differs.

        """
        try:
            with self._path.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as exc:
            raise ModelError(
                f"{self._path}: {type(exc).__name__}. VOCABULARY=cl100k_base needs cl100k_base.tiktoken: "
                "set VOCABULARY_FILE to it."
            ) from None
        expected = f"{SHA256:064x}"
        if found != expected:
            raise ModelError(
                f"{self._path}: found sha256 {found[:12]}…, expected {expected[:12]}… of cl100k_base."
            )

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of token ids; bytes that are not UTF-8 become U+FFFD.

        Raises:
            InputError: an id is not in the vocabulary.

        """
        if not self._starts:
            self._read()
        return b"".join(map(self._token, ids)).decode("utf-8", "replace")

    def _token(self, number: int) -> bytes:
        if 0 <= number < len(self._starts) - 1:
            line = self._lines[self._starts[number] : self._starts[number + 1]]
            return base64.b64decode(line.partition(b" ")[0])
        try:
            return SPECIAL[number]
        except KeyError:
            raise InputError(
                f"found token id {str(number)[:20]}, which is not in cl100k_base. Send ids of that "
                "vocabulary, or text.",
                param="input",
            ) from None

    def _read(self) -> None:
        self._lines = self._path.read_bytes()
        ends = (match.end() for match in re.finditer(rb"\n", self._lines))
        self._starts = array("I", [0, *ends])
