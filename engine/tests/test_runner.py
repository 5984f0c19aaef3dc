"""Spec of the process seam: real processes, their groups, and the recorder."""

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wheelhouse_engine.runner import Call, CommandError, Completed, ProcessRunner, RecordingRunner, checked

LIMIT_S = 60
"""Far more than any of this takes, also on a busy machine."""


def alive(pid: int) -> bool:
    """Tell whether a process exists and is not a zombie."""
    try:
        with open(f"/proc/{pid}/stat") as stat:  # noqa: PTH123 - /proc has no use for pathlib
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_output_status_and_input_are_exact():
    """Both streams, the exit status and the given input arrive byte for byte."""
    done = await ProcessRunner().run(["sh", "-c", "cat; printf err >&2; exit 7"], input=b"in\x00\xff")

    assert Completed(7, b"in\x00\xff", b"err") == done


async def test_large_output_on_both_streams_does_not_block():
    """A megabyte on each stream is read at once, in any order."""
    script = "head -c 1000000 /dev/zero >&2; head -c 1000000 /dev/zero"
    done = await ProcessRunner().run(["sh", "-c", script])

    assert (len(done.stdout), len(done.stderr)) == (1_000_000, 1_000_000)


async def test_input_that_is_not_read_is_no_error():
    """A process may exit without reading its input."""
    done = await ProcessRunner().run(["true"], input=b"x" * 1_000_000)

    assert done.returncode == 0


async def test_env_is_the_whole_environment():
    """A given environment replaces the inherited one."""
    done = await ProcessRunner().run(["/usr/bin/env"], env={"ONLY": "this"})

    assert done.stdout == b"ONLY=this\n"


async def test_sink_sees_output_while_it_is_made():
    """The sink is called before the process ends."""
    seen: list[tuple[str, bytes, float]] = []
    await ProcessRunner().run(
        ["sh", "-c", "echo early; sleep 0.3; echo late >&2"],
        sink=lambda name, piece: seen.append((name, piece, time.monotonic())),
    )

    assert [entry[:2] for entry in seen] == [("stdout", b"early\n"), ("stderr", b"late\n")]
    assert seen[1][2] - seen[0][2] > 0.2


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what another process does; the limit is for a test that would hang."""
    async with asyncio.timeout(LIMIT_S):
        while not condition():  # noqa: ASYNC110 - another process brings it about
            await asyncio.sleep(0.01)


def family(pids: Path) -> tuple[list[str], Callable[[], bool], Callable[[], bool]]:
    """Return a command with a child, both deaf to TERM, and whether both have started and ended."""
    script = f"trap '' TERM; sleep 600 & echo $! > {pids}; echo $$ >> {pids}; wait; sleep 600"

    def started() -> bool:
        return pids.exists() and len(pids.read_text().split()) == 2

    def gone() -> bool:
        return not any(alive(int(pid)) for pid in pids.read_text().split())

    return ["sh", "-c", script], started, gone


async def cancelled(task: "asyncio.Task[Completed]") -> None:
    """Cancel a run and wait for its end."""
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(LIMIT_S):
            await task


async def test_cancelling_ends_the_whole_group(tmp_path):
    """A cancelled run leaves neither the process nor its children."""
    argv, started, gone = family(tmp_path / "pids")
    task = asyncio.create_task(ProcessRunner(grace_s=0.2).run(argv))
    await until(started)

    await cancelled(task)

    await until(gone)
    assert task.cancelled()


async def test_cancelling_a_start_ends_the_whole_group(tmp_path, monkeypatch):
    """A run that is cancelled before asyncio holds the pipes leaves no process either."""
    argv, started, gone = family(tmp_path / "pids")
    loop = asyncio.get_running_loop()
    connect = loop.connect_read_pipe
    holding = asyncio.Event()

    async def late(*arguments: Any) -> Any:
        await holding.wait()
        return await connect(*arguments)

    monkeypatch.setattr(loop, "connect_read_pipe", late)
    task = asyncio.create_task(ProcessRunner(grace_s=0.2).run(argv))
    await until(started)
    task.cancel()
    await asyncio.sleep(0)
    holding.set()

    await cancelled(task)

    await until(gone)
    assert task.cancelled()


async def test_cancelling_twice_ends_the_whole_group(tmp_path):
    """A second cancellation does not cut the first one short."""
    argv, started, gone = family(tmp_path / "pids")
    task = asyncio.create_task(ProcessRunner(grace_s=0.2).run(argv))
    await until(started)
    task.cancel()
    await asyncio.sleep(0)

    await cancelled(task)

    assert gone()


@pytest.mark.parametrize("script", ["yes", "setsid sleep 20 & wait"])
async def test_cancelling_never_waits_for_pipes(script):
    """Neither a flood of output nor a process that left the group keeps a cancelled run."""
    began = asyncio.Event()
    run = ProcessRunner(grace_s=0.2).run(["sh", "-c", f"echo started; {script}"], sink=lambda *_: began.set())
    task = asyncio.create_task(run)
    await began.wait()

    await cancelled(task)

    assert task.cancelled()


async def test_missing_program_is_named():
    """A program that is not installed is a FileNotFoundError with its name."""
    with pytest.raises(FileNotFoundError, match="no-such-program"):
        await ProcessRunner().run(["no-such-program"])


async def test_checked_refuses_a_failure_with_its_stderr():
    """A failed command is an error that carries command, code and message."""
    with pytest.raises(CommandError, match=r"exited with 3: why") as caught:
        await checked(ProcessRunner(), ["sh", "-c", "echo why >&2; exit 3"])

    assert caught.value.completed.returncode == 3


async def test_recorder_answers_by_longest_prefix_and_starts_nothing():
    """The recorder remembers calls and never starts a process."""
    runner = RecordingRunner({("buildah",): Completed(1), ("buildah", "from"): Completed(0, b"c1\n")})
    first = await runner.run(["buildah", "from", "x"], input=b"i")
    second = await runner.run(["buildah", "rm", "x"])
    third = await runner.run(["/no/such/program", str(os.getpid())])

    assert [first.text, second.returncode, third.returncode] == ["c1", 1, 0]
    assert runner.calls[0] == Call(("buildah", "from", "x"), b"i")
