"""Keep the end of an output, whatever its length."""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

LIMIT_BYTES: Final = 32 << 20
"""Most that is kept of one output. A Dagger engine keeps all of it on disk."""


@dataclass(slots=True)
class Tail:
    """Last bytes of an output that arrives in pieces."""

    limit: int = LIMIT_BYTES
    omitted: int = 0
    """Bytes that are not kept any more."""
    _held: int = 0
    _pieces: deque[bytes] = field(default_factory=deque)

    def add(self, data: bytes) -> None:
        """Take a piece; what is too much is dropped, the oldest first."""
        self._pieces.append(data)
        self._held += len(data)
        while (excess := self._held - self.limit) > 0:
            first = self._pieces.popleft()
            if len(first) > excess:
                self._pieces.appendleft(first[excess:])
            dropped = min(len(first), excess)
            self._held -= dropped
            self.omitted += dropped

    def content(self) -> bytes:
        """Return what is kept; a sentence covers its first bytes where something was dropped.

        Source of the sentence: `TruncationMessage` of engine/engineutil/ref.go, v0.21.8.
        """
        kept = b"".join(self._pieces)
        if not self.omitted:
            return kept
        sentence = f"[omitting {self.omitted} bytes]...".encode()
        return sentence + kept[len(sentence) :]
