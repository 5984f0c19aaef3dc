"""Spec of the process seam: real processes, their groups, and the recorder."""

import asyncio
import os
import time

import pytest

from pipeline.engine.runner import Call, CommandError, Completed, ProcessRunner, RecordingRunner, checked


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


async def test_cancelling_ends_the_whole_group(tmp_path):
    """A cancelled run leaves neither the process nor its children."""
    pids = tmp_path / "pids"
    script = f"sleep 60 & echo $! > {pids}; echo $$ >> {pids}; trap '' TERM; wait; sleep 60"
    task = asyncio.create_task(ProcessRunner(grace_s=0.2).run(["sh", "-c", script]))
    while not pids.exists() or len(pids.read_text().split()) < 2:  # noqa: ASYNC110 - another process writes it
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(5):
            await task

    async with asyncio.timeout(5):  # a killed process leaves the table when the system comes to it
        while any(alive(int(pid)) for pid in pids.read_text().split()):  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.01)


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
