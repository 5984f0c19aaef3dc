"""Mask secrets in what a process writes, and read its bytes as text."""

import codecs
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

MASK: Final = b"***"
ERROR_LIMIT_BYTES: Final = 100 * 1024
"""Longest output in an error."""
_GO: Final = "go-text"


def text_of(data: bytes) -> str:
    """Read bytes as text: each byte that is not UTF-8 becomes the replacement character.

    Source: Go's encoding/json, with which a Dagger engine answers. Python's own rule makes one
    character of several bytes.
    """
    return data.decode(errors=_GO)


def shortened(data: bytes) -> str:
    """Return the end of an output as an error shows it: the last bytes, without space around them.

    Source: `ReadSnapshotPath` of engine/engineutil/ref.go, v0.21.8: the sentence covers the first bytes.
    """
    if len(data) >= ERROR_LIMIT_BYTES:
        omitted = f"[omitting {len(data) - ERROR_LIMIT_BYTES} bytes]...".encode()
        data = omitted + data[len(data) - ERROR_LIMIT_BYTES :][len(omitted) :]
    return text_of(data).strip()


def _one_byte(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)  # noqa: S101 - registered for decoding
    return "\ufffd", error.start + 1


codecs.register_error(_GO, _one_byte)


@dataclass(frozen=True, slots=True)
class Mask:
    """The secrets that one process was given.

    A value is masked whole and without the space around it; its lines are not masked on their own,
    an empty value is not masked. Source: `NewSecretScrubReader` of engine/engineutil, v0.21.8.
    """

    forms: tuple[bytes, ...]
    """Byte strings that must not be seen, the longest first."""

    @classmethod
    def of(cls, values: Iterable[bytes]) -> "Mask":
        """Return the mask of some values."""
        forms = {form for value in values for form in (value, value.strip()) if form}
        return cls(tuple(sorted(forms, key=len, reverse=True)))

    def apply(self, data: bytes) -> bytes:
        """Return the data with every value replaced by `***`."""
        return self.stream().feed(data, last=True)

    def stream(self) -> "MaskedStream":
        """Return a masked stream, for data that arrives in pieces."""
        pattern = re.compile(b"|".join(map(re.escape, self.forms))) if self.forms else None
        return MaskedStream(self.forms, pattern)


NO_MASK: Final = Mask(())


@dataclass(slots=True)
class MaskedStream:
    """Masked output of one process: a value that arrives in pieces is masked, too."""

    forms: tuple[bytes, ...]
    pattern: re.Pattern[bytes] | None
    _kept: bytes = field(default=b"")
    """The end of what arrived, which may be the beginning of a value."""

    def feed(self, data: bytes, *, last: bool = False) -> bytes:
        """Return what can be shown by now; everything with the `last` piece."""
        if self.pattern is None:
            return data
        pending, at, shown = self._kept + data, 0, bytearray()
        while True:
            open_from = len(pending) if last else self._open_from(pending, at)
            found = self.pattern.search(pending, at)
            if found is None or found.start() >= open_from:
                shown += pending[at:open_from]
                self._kept = pending[open_from:]
                return bytes(shown)
            shown += pending[at : found.start()] + MASK
            at = found.end()

    def _open_from(self, pending: bytes, start: int) -> int:
        """Return where the longest end begins that a value could go on from."""
        earliest = len(pending)
        for form in self.forms:
            at = pending.find(form[:1], max(start, len(pending) - len(form) + 1), earliest)
            while at != -1:
                if form.startswith(pending[at:]):
                    earliest = at
                    break
                at = pending.find(form[:1], at + 1, earliest)
        return earliest
