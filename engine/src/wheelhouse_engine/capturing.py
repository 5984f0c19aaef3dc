"""Keep what a process writes: masked, by stream and interleaved, and in the files it is redirected to."""

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from wheelhouse_engine.attaching import Laid
from wheelhouse_engine.masking import Mask, MaskedStream, text_of
from wheelhouse_engine.paths import resolve
from wheelhouse_engine.runner import Stream
from wheelhouse_engine.tails import Tail

REDIRECTED: Final = os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC
REDIRECTED_MODE: Final = 0o600
"""Mode of a file that a redirection creates; one that exists keeps its own. Source: executor_spec.go."""
LINE_BYTES: Final = 1 << 16
"""A line that becomes longer is shown in parts."""
STREAMS: Final[tuple[Stream, ...]] = ("stdout", "stderr")


@dataclass(slots=True)
class Capture:
    """Output of one process, as it arrives."""

    mask: Mask
    show: Callable[[Stream, str], None]
    """Called with whole lines, masked."""
    files: Mapping[Stream, int] = field(default_factory=dict)
    """Descriptors of the files that streams are redirected to."""
    _combined: Tail = field(init=False)
    _outputs: dict[Stream, Tail] = field(init=False)
    _masked: dict[Stream, MaskedStream] = field(init=False)
    _lines: dict[Stream, bytes] = field(init=False)

    def __post_init__(self) -> None:
        self._combined = Tail()
        self._outputs = {stream: Tail() for stream in STREAMS}
        self._masked = {stream: self.mask.stream() for stream in STREAMS}
        self._lines = dict.fromkeys(STREAMS, b"")

    def sink(self, stream: Stream, data: bytes) -> None:
        """Take a piece of output."""
        self._take(stream, self._masked[stream].feed(data))

    def close(self) -> None:
        """Take what a secret could still have begun with: nothing comes any more."""
        for stream in STREAMS:
            self._take(stream, self._masked[stream].feed(b"", last=True))
            if self._lines[stream]:
                self.show(stream, text_of(self._lines[stream]) + "\n")

    def output(self, stream: Stream) -> bytes:
        """Return one stream, masked: all of it, or the end of a very long one."""
        return self._outputs[stream].content()

    def combined(self) -> bytes:
        """Return both streams as they were interleaved, masked."""
        return self._combined.content()

    def _take(self, stream: Stream, shown: bytes) -> None:
        self._outputs[stream].add(shown)
        self._combined.add(shown)
        if stream in self.files:
            _write_all(self.files[stream], shown)
        lines, newline, self._lines[stream] = (self._lines[stream] + shown).rpartition(b"\n")
        if newline:
            self.show(stream, text_of(lines) + "\n")
        if len(self._lines[stream]) > LINE_BYTES:
            self.show(stream, text_of(self._lines[stream]) + "\n")
            self._lines[stream] = b""


def _write_all(descriptor: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]


def place_of(laid: Laid, path: str) -> Path:
    """Return the host path at which the process writes a path, through its mounts.

    Raises:
        OSError: a folder on the way does not exist, or is none.

    """
    for target in sorted((*laid.over, *laid.copies, *laid.folders), key=len, reverse=True):
        if path == target and target in laid.copies:
            return laid.copies[target]
        if path.startswith(target.rstrip("/") + "/"):
            inner = path[len(target.rstrip("/")) :]
            return (
                laid.over[target].writable(inner)
                if target in laid.over
                else resolve(laid.folders[target], inner)
            )
    return resolve(laid.working.path, path)


def read_place_of(laid: Laid, path: str) -> Path:
    """Return the host path at which the process reads a path, before it runs."""
    for target, overlay in laid.over.items():
        if path.startswith(target.rstrip("/") + "/"):
            inner = path[len(target.rstrip("/")) :]
            upper = resolve(overlay.upper, inner)
            return upper if upper.exists() else resolve(overlay.lower, inner)
    return place_of(laid, path)


def read_redirected(laid: Laid, path: str) -> bytes:
    """Return the content of the file that standard input is redirected from; raises LookupError."""
    try:
        return read_place_of(laid, path).read_bytes()
    except OSError as error:
        raise _not_opened("stdin", path, error) from error


@contextlib.contextmanager
def redirected(
    laid: Laid, paths: Mapping[Stream, str], owner: tuple[int, int]
) -> Iterator[dict[Stream, int]]:
    """Open the files that streams are redirected to, before the process starts.

    Raises:
        LookupError: a folder does not exist, or the path is one.

    """
    opened: dict[Stream, int] = {}
    try:
        for stream, path in paths.items():
            try:
                opened[stream] = os.open(place_of(laid, path), REDIRECTED, REDIRECTED_MODE)
            except OSError as error:
                raise _not_opened(stream, path, error) from error
            os.fchown(opened[stream], *owner)
        yield opened
    finally:
        for descriptor in opened.values():
            os.close(descriptor)


def _not_opened(stream: str, path: str, error: OSError) -> LookupError:
    return LookupError(f"open redirect {stream} file: open {path}: {(error.strerror or '').lower()}")
