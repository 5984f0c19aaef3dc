"""Give a person's terminal to a process in a container, one at a time."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from wheelhouse_engine.confinement import write_private
from wheelhouse_engine.errors import EngineError, ExecError
from wheelhouse_engine.execs import INIT_TARGET
from wheelhouse_engine.progress import SilentProgress

if TYPE_CHECKING:
    from wheelhouse_engine.attaching import Laid
    from wheelhouse_engine.engine import Engine

TERMINAL: Final = "/dev/tty"
"""The controlling terminal, wherever the standard streams go. Source: tty(4)."""
QUOTED_LINES: Final = 20
LEAVE: Final = "Leave it with `exit`; what is changed there is not kept."


@dataclass(slots=True)
class Terminal:
    """Be the caller's terminal."""

    on_failure: tuple[str, ...] = ()
    """What to run in a container whose exec failed; nothing if empty."""
    path: Path = Path(TERMINAL)
    _free: asyncio.Lock = field(default_factory=asyncio.Lock)

    @contextlib.asynccontextmanager
    async def taken(self, engine: "Engine") -> AsyncIterator[int]:
        """Give the terminal's descriptor while nobody else writes there; EngineError where there is none."""
        async with self._free:
            try:
                descriptor = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
            except OSError:
                raise EngineError(
                    "a terminal in a container needs one to show it on, and this program has none. "
                    "Run it from an interactive shell (`ssh -t`, `docker run -it`)."
                ) from None
            shown = engine.progress
            shown.close()
            engine.progress = SilentProgress(sys.stderr)
            try:
                yield descriptor
            finally:
                engine.progress = shown
                os.close(descriptor)


async def open_terminal(engine: "Engine", laid: "Laid", command: Sequence[str], why: str) -> None:
    """Run a command on the caller's terminal in a container made ready, as often as one likes.

    How it ends says nothing: a shell ends with the status of its last line.
    Raises EngineError where there is no terminal, or the command is not there.
    """
    path = laid.bundle / "config.json"
    document = json.loads(path.read_text())
    process: dict[str, Any] = document["process"]
    before = process["args"]
    init = before[:2] if before[0] == INIT_TARGET else []
    process |= {"args": [*init, *command], "terminal": True}
    term = f"TERM={engine.environ.get('TERM', 'xterm')}"
    process["env"] = [entry for entry in process["env"] if not entry.startswith("TERM=")] + [term]
    path.unlink()
    write_private(path, document)
    async with engine.terminal.taken(engine) as descriptor:
        os.write(descriptor, f"{why}{LEAVE}\r\n".encode())
        ended = await engine.containers.attach(laid.bundle, descriptor)
    if ended.failure:
        raise EngineError(f"the terminal could not be opened: {ended.failure}")


async def after_failure(engine: "Engine", laid: "Laid", error: ExecError) -> None:
    """Open a terminal where an exec failed, if the caller asked for that; without one, say so and go on."""
    if not engine.terminal.on_failure:
        return
    said = (error.stderr or error.stdout).strip().splitlines()[-QUOTED_LINES:]
    first = f"`{' '.join(error.command)}` ended with {error.exit_code}:"
    why = "\r\n".join([first, *said, "This is the container at that point. "])
    try:
        await open_terminal(engine, laid, engine.terminal.on_failure, why)
    except EngineError as lacking:
        engine.progress.warn(str(lacking))  # why the exec failed is what the caller has to know
