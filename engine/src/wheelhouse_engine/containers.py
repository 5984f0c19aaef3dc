"""Run containers with runc: one bundle each, and how its process ended."""

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from wheelhouse_engine.errors import StoreError
from wheelhouse_engine.runner import Completed, Runner, Sink

STOP_LIMIT_S: Final = 1.5
"""How long runc may take to clean up after its container was ended."""
STOP_PAUSE_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class Ended(Completed):
    """Hold what a run in a container left behind."""

    failure: str = ""
    """Why there is no process whose status this could be; empty when it is the process's own."""


@dataclass(frozen=True, slots=True)
class Containers:
    """Run the containers of one session."""

    runner: Runner
    state: Path
    """Folder in memory where runc notes them, a folder each."""
    environ: Mapping[str, str]

    async def run(self, bundle: Path, *, stdin: bytes, sink: Sink | None = None) -> Ended:
        """Run the process of a bundle to its end; cancelling ends it at once.

        The folder's name becomes the container's. Raises StoreError without runc.
        """
        running = asyncio.ensure_future(self._runc(*_run_words(bundle), stdin=stdin, sink=sink))
        try:
            completed = await asyncio.shield(running)
        except asyncio.CancelledError:
            await _stop(running, bundle)
            raise
        except FileNotFoundError:
            raise no_runc() from None
        finally:
            await self.discard(bundle.name)
        return Ended(
            completed.returncode, completed.stdout, completed.stderr, _failure(completed.returncode, bundle)
        )

    async def beside(self, bundle: Path, args: Sequence[str]) -> Completed:
        """Run a process beside that of a running bundle, with its environment, user and folder."""
        return await self._runc("exec", bundle.name, *args)

    async def attach(self, bundle: Path, terminal: int) -> Ended:
        """Run the process of a bundle on a terminal, given by its descriptor, to its end."""
        for name in ("log", "pid"):
            (bundle / name).unlink(missing_ok=True)  # of the run before
        try:
            code = await self.runner.attach([*self._command, *_run_words(bundle)], terminal, env=self.environ)
        finally:
            await self.discard(bundle.name)
        return Ended(code, failure=_failure(code, bundle))

    async def discard(self, name: str) -> None:
        """End a container that outlived its runc and remove what is noted of it."""
        if (self.state / name).exists():
            await self._runc("delete", "--force", name)

    async def discard_all(self) -> None:
        """End every container that a dead session left."""
        for path in self.state.glob("*"):
            await self.discard(path.name)

    @property
    def _command(self) -> list[str]:
        return ["runc", "--root", str(self.state)]

    async def _runc(self, *words: str, stdin: bytes = b"", sink: Sink | None = None) -> Completed:
        return await self.runner.run(
            [*self._command, *words], input=stdin or None, env=self.environ, sink=sink
        )


def _run_words(bundle: Path) -> list[str]:
    log = ["--log", str(bundle / "log"), "--log-format", "json"]
    return [*log, "run", "--bundle", str(bundle), "--pid-file", str(bundle / "pid"), bundle.name]


def _failure(returncode: int, bundle: Path) -> str:
    """Return what runc itself has to say of a run that it could not carry out."""
    if returncode < 0:
        return f"runc was ended by signal {-returncode} while the command ran. Run again."
    log = bundle / "log"
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    notes = [json.loads(line) for line in lines]
    return " ".join(note["msg"] for note in notes if note["level"] in ("error", "fatal"))


async def _stop(running: "asyncio.Future[Completed]", bundle: Path) -> None:
    """End a container at once, also one that is only being made."""
    end = asyncio.get_running_loop().time() + STOP_LIMIT_S
    while not running.done() and asyncio.get_running_loop().time() < end:
        signal_process(bundle, signal.SIGKILL)
        await asyncio.wait({running}, timeout=STOP_PAUSE_S)
    running.cancel()
    await asyncio.wait({running})


def signal_process(bundle: Path, number: signal.Signals) -> None:
    """Send a signal to process 1 of a bundle's container, if it runs."""
    with contextlib.suppress(OSError, ValueError):
        os.kill(int((bundle / "pid").read_text()), number)


def no_runc() -> StoreError:
    """Return the error for a machine without runc."""
    return StoreError(
        "runc was not found on PATH; the embedded engine runs containers with it. "
        "Install it (Debian and Ubuntu: apt-get install runc) or run a Dagger engine."
    )
