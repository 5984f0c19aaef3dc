"""Start processes: one seam for the real machine and for tests.

Every file of the engine that needs buildah, skopeo or mmdebstrap takes a
`Runner`. Secrets travel in `input` or `env`, never in `argv`.
"""

import asyncio
import contextlib
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from wheelhouse_engine.errors import NotMadeError
from wheelhouse_engine.processes import ended, started, uncancelled
from wheelhouse_engine.tails import Tail

CHUNK_BYTES = 65536
QUOTED_STDERR_LINES = 20
KEPT_BYTES = 1 << 20
"""What a result keeps of the end of an output that a sink has seen."""

Stream = Literal["stdout", "stderr"]
Sink = Callable[[Stream, bytes], None]
"""Called with each piece of output as it arrives; it must not block."""


@dataclass(frozen=True, slots=True)
class Completed:
    """Hold what a process left behind."""

    returncode: int
    """Exit status; negative is the signal that ended it."""
    stdout: bytes = b""
    stderr: bytes = b""

    @property
    def text(self) -> str:
        """Decode standard output without its last newline."""
        return self.stdout.decode(errors="replace").rstrip("\n")

    @property
    def error_text(self) -> str:
        """Decode standard error without its last newline."""
        return self.stderr.decode(errors="replace").rstrip("\n")


class CommandError(Exception):
    """Say which command failed, with what code, and the end of its stderr."""

    def __init__(self, argv: Sequence[str], completed: Completed) -> None:
        self.argv = tuple(argv)
        self.completed = completed
        tail = "\n".join(completed.error_text.splitlines()[-QUOTED_STDERR_LINES:])
        super().__init__(f"`{shlex.join(argv)}` exited with {completed.returncode}: {tail or 'no message'}")


class Runner(Protocol):
    """Run one process to its end."""

    async def run(
        self,
        argv: Sequence[str],
        *,
        input: bytes | None = None,  # noqa: A002 - the word that subprocess uses
        env: Mapping[str, str] | None = None,
        sink: Sink | None = None,
    ) -> Completed:
        """Return exit status and output; raise FileNotFoundError without the program.

        `env` is the whole environment (None inherits). Standard input is
        empty when `input` is None. `sink` sees output as it arrives; the result
        then has its end only.
        """
        ...

    async def attach(
        self, argv: Sequence[str], terminal: int, *, env: Mapping[str, str] | None = None
    ) -> int:
        """Run one process on a terminal, given by its descriptor; return its exit status."""
        ...


async def checked(
    runner: Runner,
    argv: Sequence[str],
    *,
    input: bytes | None = None,  # noqa: A002 - as in Runner.run
    env: Mapping[str, str] | None = None,
    sink: Sink | None = None,
) -> Completed:
    """Run a command that must exit with 0; raise CommandError otherwise."""
    completed = await runner.run(argv, input=input, env=env, sink=sink)
    if completed.returncode != 0:
        raise CommandError(argv, completed)
    return completed


@dataclass(frozen=True, slots=True)
class ProcessRunner:
    """Run real processes, each the leader of its own process group.

    Cancelling the task sends TERM to the whole group, then KILL to what is
    left after `grace_s` seconds: nothing outlives its caller.
    """

    grace_s: float = 5.0

    async def run(
        self,
        argv: Sequence[str],
        *,
        input: bytes | None = None,  # noqa: A002 - as in Runner.run
        env: Mapping[str, str] | None = None,
        sink: Sink | None = None,
    ) -> Completed:
        """Return exit status and output of a real process."""
        process = await started(
            self.grace_s,
            *argv,
            stdin=asyncio.subprocess.DEVNULL if input is None else asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=env,
            start_new_session=True,
        )
        talk = asyncio.ensure_future(_talk(process, input, sink))
        try:
            return await asyncio.shield(talk)
        except BaseException:
            await uncancelled(ended(process, talk, self.grace_s))
            raise

    async def attach(
        self, argv: Sequence[str], terminal: int, *, env: Mapping[str, str] | None = None
    ) -> int:
        """Run a real process in this process's own group, so that the terminal is its own, too."""
        process = await started(
            self.grace_s, *argv, stdin=terminal, stdout=terminal, stderr=terminal, env=env
        )
        try:
            return await process.wait()
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await uncancelled(process.wait())
            raise


async def _talk(process: asyncio.subprocess.Process, data: bytes | None, sink: Sink | None) -> Completed:
    """Feed a process and read it to its end."""
    stdout, stderr, _ = await asyncio.gather(
        _drain(process.stdout, "stdout", sink),
        _drain(process.stderr, "stderr", sink),
        _feed(process.stdin, data),
    )
    return Completed(await process.wait(), stdout, stderr)


async def _drain(stream: asyncio.StreamReader | None, name: Stream, sink: Sink | None) -> bytes:
    if stream is None:
        return b""
    if sink is None:
        return await stream.read()
    tail = Tail(KEPT_BYTES)
    while piece := await stream.read(CHUNK_BYTES):
        tail.add(piece)
        sink(name, piece)
    return tail.content()


async def _feed(stream: asyncio.StreamWriter | None, data: bytes | None) -> None:
    if stream is None or data is None:
        return
    try:
        stream.write(data)
        await stream.drain()
        stream.close()
        await stream.wait_closed()
    except (BrokenPipeError, ConnectionResetError):
        return  # the process chose not to read; its exit status tells the rest


class RefusingRunner:
    """Start nothing: the machine of a plan."""

    async def run(
        self,
        argv: Sequence[str],
        *,
        input: bytes | None = None,  # noqa: A002 - as in Runner.run
        env: Mapping[str, str] | None = None,
        sink: Sink | None = None,
    ) -> Completed:
        """Raise NotMadeError."""
        del input, env, sink
        raise NotMadeError(f"a plan does not start {argv[0]}")

    async def attach(
        self, argv: Sequence[str], terminal: int, *, env: Mapping[str, str] | None = None
    ) -> int:
        """Raise NotMadeError."""
        del terminal
        return (await self.run(argv, env=env)).returncode


@dataclass(frozen=True, slots=True)
class Call:
    """Hold one recorded start."""

    argv: tuple[str, ...]
    input: bytes | None = None
    env: Mapping[str, str] | None = None


Answer = Completed | Callable[[Call], Completed]


@dataclass(slots=True)
class RecordingRunner:
    """Record every start and run nothing: the fake that tests and plans use.

    `answers` maps the first words of a command to its result; the longest
    match wins, and an unknown command succeeds with no output.
    """

    answers: dict[tuple[str, ...], Answer] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)

    async def run(
        self,
        argv: Sequence[str],
        *,
        input: bytes | None = None,  # noqa: A002 - as in Runner.run
        env: Mapping[str, str] | None = None,
        sink: Sink | None = None,
    ) -> Completed:
        """Return the prepared answer and remember the call."""
        call = Call(tuple(argv), input, env)
        self.calls.append(call)
        known = [words for words in self.answers if call.argv[: len(words)] == words]
        answer = self.answers[max(known, key=len)] if known else Completed(0)
        completed = answer(call) if callable(answer) else answer
        if sink is not None and completed.stdout:
            sink("stdout", completed.stdout)
        if sink is not None and completed.stderr:
            sink("stderr", completed.stderr)
        return completed

    async def attach(
        self, argv: Sequence[str], terminal: int, *, env: Mapping[str, str] | None = None
    ) -> int:
        """Return the prepared exit status and remember the call."""
        del terminal  # nothing is shown
        return (await self.run(argv, env=env)).returncode
