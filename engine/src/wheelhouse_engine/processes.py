"""Start and end real processes so that a cancelled caller leaves none behind."""

import asyncio
import contextlib
import os
import signal
from asyncio.subprocess import Process
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def uncancelled(work: Coroutine[Any, Any, T]) -> T:
    """Finish some work, however often the caller is cancelled meanwhile."""
    task = asyncio.ensure_future(work)
    while not task.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait({task})
    return task.result()


async def started(grace_s: float, *argv: str, **options: Any) -> Process:
    """Start a process; one that is cancelled while it starts is ended before the error is passed on.

    asyncio itself kills only the process, not its group, and then waits for pipes that nobody reads.
    """
    starting = asyncio.ensure_future(asyncio.create_subprocess_exec(*argv, **options))
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        await uncancelled(_end_started(starting, grace_s))
        raise


async def ended(process: Process, exchange: "asyncio.Future[Any]", grace_s: float) -> None:
    """Stop the group of a process: TERM lets buildah and mmdebstrap unmount, KILL ends the rest.

    Args:
        process: the leader of its own group, or a process of this one's.
        exchange: what reads its output. It continues until the process has ended: asyncio reports the
            end of a process only after the end of its pipes.
        grace_s: time between TERM and KILL.

    """
    _signal(process, signal.SIGTERM)
    try:
        await asyncio.wait({exchange}, timeout=grace_s)
    finally:
        _signal(process, signal.SIGKILL)
    # A process that left the group may keep the pipes open for as long as it lives.
    await asyncio.wait({exchange}, timeout=grace_s)
    exchange.cancel()
    await asyncio.gather(exchange, return_exceptions=True)
    process._transport.close()  # type: ignore[attr-defined]  # noqa: SLF001 - asyncio has no public way


async def output_of(grace_s: float, *argv: str, **options: Any) -> tuple[int, bytes, bytes]:
    """Run a process in a group of its own; return its exit status, stdout and stderr."""
    pipes = {"stdout": asyncio.subprocess.PIPE, "stderr": asyncio.subprocess.PIPE}
    process = await started(
        grace_s, *argv, stdin=asyncio.subprocess.DEVNULL, start_new_session=True, **pipes, **options
    )
    exchange = asyncio.ensure_future(process.communicate())
    try:
        stdout, stderr = await asyncio.shield(exchange)
    except BaseException:
        await uncancelled(ended(process, exchange, grace_s))
        raise
    return process.returncode or 0, stdout, stderr


async def _end_started(starting: "asyncio.Future[Process]", grace_s: float) -> None:
    with contextlib.suppress(OSError):  # it could not be started: nothing to end
        process = await starting
        await ended(process, asyncio.ensure_future(process.communicate()), grace_s)


def _signal(process: Process, number: signal.Signals) -> None:
    """Signal the group of a process, also when the process itself has ended; without a group, the process."""
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
