"""Show on stderr what the engine does: live tree, plain lines, dots or nothing."""
# ruff: noqa: ARG002 - each way to show progress takes every event and uses what it shows

import os
import sys
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, Protocol, TextIO

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live
    from rich.text import Text

Stream = Literal["stdout", "stderr"]

MODES: Final = ("auto", "plain", "tty", "dots", "logs")
DOTS_PER_LINE: Final = 72
TAIL_LINES: Final = 4


class Progress(Protocol):
    """Receive the engine's events; every method returns at once and never raises."""

    def begin(self, digest: str, name: str) -> None:
        """Start the operation `digest`, shown to people as `name`."""

    def output(self, digest: str, stream: Stream, text: str) -> None:
        """Pass on what the operation wrote: scrubbed text, any number of lines."""

    def end(self, digest: str, *, cached: bool, error: str | None, seconds: float) -> None:
        """Finish the operation; `error` is None when it went well."""

    def warn(self, text: str) -> None:
        """Say something a person must see once, in every mode."""

    def close(self) -> None:
        """Leave the terminal as it was found; later events are dropped; may be called twice."""


class SilentProgress:
    """Show nothing but warnings."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def begin(self, digest: str, name: str) -> None:
        """Drop the event."""

    def output(self, digest: str, stream: Stream, text: str) -> None:
        """Drop the event."""

    def end(self, digest: str, *, cached: bool, error: str | None, seconds: float) -> None:
        """Drop the event."""

    def warn(self, text: str) -> None:
        """Print `warning: text`."""
        _write(self._stream, f"warning: {text}\n")

    def close(self) -> None:
        """Do nothing: nothing was opened."""


class PlainProgress(SilentProgress):
    """Write one line per event: `#3 exec python -V`, `#3 | 3.13`, `#3 done 0.4s`."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._numbers: dict[str, int] = {}

    def begin(self, digest: str, name: str) -> None:
        """Give the operation the next number and print its name on one line."""
        number = self._numbers.setdefault(digest, len(self._numbers) + 1)
        _write(self._stream, f"#{number} {one_line(name)}\n")

    def output(self, digest: str, stream: Stream, text: str) -> None:
        """Print each line behind the operation's number."""
        number = self._numbers.get(digest, 0)
        _write(self._stream, "".join(f"#{number} | {line}\n" for line in text.splitlines()))

    def end(self, digest: str, *, cached: bool, error: str | None, seconds: float) -> None:
        """Print `done 0.4s`, `cached` or `failed 0.4s: reason`."""
        outcome = describe_end(cached=cached, error=error, seconds=seconds)
        _write(self._stream, f"#{self._numbers.get(digest, 0)} {outcome}\n")


class LogsProgress(SilentProgress):
    """Write only what the operations write, as it comes."""

    def output(self, digest: str, stream: Stream, text: str) -> None:
        """Print the text, with a newline at its end."""
        _write(self._stream, text if text.endswith("\n") else text + "\n")


class DotsProgress(SilentProgress):
    """Write one character per finished operation: `.` done, `c` cached, `X` failed."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._column = 0

    def end(self, digest: str, *, cached: bool, error: str | None, seconds: float) -> None:
        """Print the operation's character, 72 to a line."""
        _write(self._stream, "X" if error else "c" if cached else ".")
        self._column += 1
        if self._column == DOTS_PER_LINE:
            self.close()

    def close(self) -> None:
        """End the line that was begun."""
        if self._column:
            _write(self._stream, "\n")
        self._column = 0


@dataclass(slots=True)
class _Running:
    """One operation that runs now, with the last lines it wrote."""

    name: str
    started: float = field(default_factory=time.monotonic)
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=TAIL_LINES))


class TreeProgress:
    """Draw what runs as a live tree, and leave one line per finished operation above it.

    With `keep=False` (quiet) nothing stays; with `detail=True` cached operations and all output stay too.
    """

    def __init__(self, stream: TextIO, *, keep: bool = True, detail: bool = False) -> None:
        from rich.console import Console  # noqa: PLC0415 - 0.1 s that only a terminal needs

        self._console = Console(file=stream, highlight=False)
        self._keep, self._detail = keep, detail
        self._running: dict[str, _Running] = {}
        self._done = self._cached = 0
        self._live: Live | None = None

    def begin(self, digest: str, name: str) -> None:
        """Add a branch, and start drawing with the first one."""
        self._running[digest] = _Running(one_line(name))
        self._start()

    def output(self, digest: str, stream: Stream, text: str) -> None:
        """Show the last lines under the operation's branch."""
        if running := self._running.get(digest):
            running.tail.extend(text.splitlines())
        if self._detail:
            self._console.print(text.rstrip("\n"), style="dim", markup=False)

    def end(self, digest: str, *, cached: bool, error: str | None, seconds: float) -> None:
        """Move the operation from the tree to the lines above it."""
        running = self._running.pop(digest, None)
        self._done += not cached
        self._cached += cached
        if running and self._keep and (error or self._detail or not cached):
            outcome = describe_end(cached=cached, error=error, seconds=seconds)
            self._console.print(_finished_line(running.name, outcome, failed=bool(error), cached=cached))

    def warn(self, text: str) -> None:
        """Print `warning: text` above the tree."""
        self._console.print(f"warning: {text}", style="yellow", markup=False)

    def close(self) -> None:
        """Stop drawing and remove the tree."""
        if self._live:
            self._live.stop()
            self._live = None
        self._running.clear()

    def __rich__(self) -> "RenderableType":
        from rich.text import Text  # noqa: PLC0415 - see above
        from rich.tree import Tree  # noqa: PLC0415 - see above

        tree = Tree(Text(f"{self._done} done, {self._cached} cached", style="dim"))
        for running in list(self._running.values()):
            seconds = time.monotonic() - running.started
            branch = tree.add(Text.assemble(("* ", "cyan"), running.name, (f" {seconds:.1f}s", "dim")))
            for line in list(running.tail):
                branch.add(Text(line, style="dim", no_wrap=True, overflow="ellipsis"))
        return tree

    def _start(self) -> None:
        from rich.live import Live  # noqa: PLC0415 - see above

        if self._live is None:
            self._live = Live(
                get_renderable=self.__rich__,
                console=self._console,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start()


def open_progress(
    mode: str = "auto",
    *,
    silent: bool = False,
    verbosity: int = 0,
    stream: TextIO | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Progress:
    """Choose how to show progress.

    `verbosity` is the count of -v minus the count of -q; `auto` is `tty` on a terminal that can move its
    cursor, else `plain`. DAGGER_SILENT and DAGGER_PROGRESS stand in for the flags that were not given.

    Raises:
        ValueError: the mode is not one of MODES.

    """
    out = stream or sys.stderr
    if silent or environ.get("DAGGER_SILENT", "").lower() in {"1", "true"}:
        return SilentProgress(out)
    if mode == "auto":
        mode = environ.get("DAGGER_PROGRESS", "auto")
    if mode == "auto":
        mode = "tty" if out.isatty() and environ.get("TERM") != "dumb" else "plain"
    if mode not in MODES:
        raise ValueError(f"progress is {mode!r}, expected one of {', '.join(MODES)}")
    if mode == "tty":
        return TreeProgress(out, keep=verbosity >= 0, detail=verbosity > 0)
    if verbosity < 0 and mode == "plain":
        return SilentProgress(out)
    return {"plain": PlainProgress, "dots": DotsProgress, "logs": LogsProgress}[mode](out)


def describe_end(*, cached: bool, error: str | None, seconds: float) -> str:
    """Say in one line how an operation ended."""
    if error is not None:
        return f"failed {seconds:.1f}s: {one_line(error)}"
    return "cached" if cached else f"done {seconds:.1f}s"


def one_line(text: str, width: int = 160) -> str:
    """Fold all white space and cut the text to `width` characters."""
    folded = " ".join(text.split())
    return folded if len(folded) <= width else folded[: width - 1] + "…"


def _finished_line(name: str, outcome: str, *, failed: bool, cached: bool) -> "Text":
    from rich.text import Text  # noqa: PLC0415 - see above

    mark, style = ("x ", "red") if failed else ("= ", "blue") if cached else ("+ ", "green")
    return Text.assemble((mark, style), name, (f" {outcome}", "red" if failed else "dim"))


def _write(stream: TextIO, text: str) -> None:
    stream.write(text)
    stream.flush()
