"""Tell on stderr how many bytes came, and how fast."""

import sys
import threading
import time
from collections.abc import Callable
from typing import Final

INTERVAL_S: Final = 1.0


class Meter:
    """Count the bytes of one model; safe to use from several threads."""

    def __init__(
        self, label: str, total_bytes: int | None, write: Callable[[str], None] | None = None
    ) -> None:
        self._label = label
        self._total = total_bytes
        self._write = write or _stderr
        self._lock = threading.Lock()
        self._have = 0
        self._received = 0
        self._started = self._last = time.monotonic()

    def resumed(self, size_bytes: int) -> None:
        """Count bytes that an earlier run left."""
        with self._lock:
            self._have += size_bytes
        if size_bytes:
            self.say(f"continues after {size_bytes / 1e6:.1f} MB")

    def lost(self, size_bytes: int) -> None:
        """Take back bytes that have to come again."""
        with self._lock:
            self._have -= size_bytes

    def received(self, size_bytes: int) -> None:
        """Count new bytes; print a line at most once a second."""
        with self._lock:
            self._have += size_bytes
            self._received += size_bytes
            now = time.monotonic()
            if now - self._last < INTERVAL_S:
                return
            self._last = now
            self._write(self._line())

    def say(self, text: str) -> None:
        """Print one line about this model."""
        with self._lock:
            self._write(f"{self._label}: {text}")

    def done(self) -> None:
        """Print the last line."""
        with self._lock:
            self._write(self._line())

    def _line(self) -> str:
        seconds = max(time.monotonic() - self._started, 1e-3)
        of = f" of {self._total / 1e6:.1f}" if self._total else ""
        return f"{self._label}: {self._have / 1e6:.1f}{of} MB, {self._received / 1e6 / seconds:.1f} MB/s"


def _stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
