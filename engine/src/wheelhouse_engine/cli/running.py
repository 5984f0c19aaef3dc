"""Lend a session to another program: `wheelhouse run` and `wheelhouse session`."""

import asyncio
import json
import os
import shutil
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from wheelhouse_engine.cli.failures import CommandError
from wheelhouse_engine.cli.project import Settings, announce, open_session, run_until_done

FORWARDED: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
SIGNALLED: Final = 128
"""A shell's exit code for a process that a signal ended, plus the signal's number."""


def run(command: Sequence[str], settings: Settings) -> int:
    """Run a program with DAGGER_SESSION_PORT and DAGGER_SESSION_TOKEN set; return its exit code."""
    announce(settings)
    return run_until_done(lambda: _run(command, settings), settings)


def session(workdir: str | None, settings: Settings) -> int:
    """Serve one session: its port and token on the first line of stdout, until stdin closes."""
    if workdir:
        settings.workdir = Path(workdir).absolute()
        if not settings.workdir.is_dir():
            raise CommandError(f"--workdir {settings.workdir} is not a folder. Pass one that exists.")
    return run_until_done(lambda: _serve(settings), settings)


async def _run(command: Sequence[str], settings: Settings) -> int:
    async with open_session(settings) as opened:
        lent = {"DAGGER_SESSION_PORT": str(opened.port), "DAGGER_SESSION_TOKEN": opened.token}
        environ = {**with_own_programs(settings.environ), "OTEL_SDK_DISABLED": "true", **lent}
        started: asyncio.Future[asyncio.subprocess.Process] = asyncio.get_running_loop().create_future()
        _forward_signals(started)
        try:
            found = shutil.which(command[0], path=environ.get("PATH")) or command[0]
            process = await asyncio.create_subprocess_exec(
                found, *command[1:], env=environ, cwd=settings.workdir
            )
        except (FileNotFoundError, PermissionError) as error:
            raise CommandError(f"{command[0]} cannot be run: {error.strerror}") from error
        started.set_result(process)
        code = await process.wait()
    return code if code >= 0 else SIGNALLED - code


def with_own_programs(environ: Mapping[str, str]) -> dict[str, str]:
    """Return an environment whose `python` has the client: the one that this program runs on.

    A virtual environment that the caller has activated is the caller's choice and stays first.
    """
    own, path = str(Path(sys.executable).parent), environ.get("PATH", os.defpath)
    chosen = environ.get("VIRTUAL_ENV") or environ.get("CONDA_PREFIX")
    order = (path, own) if chosen else (own, path)
    return {**environ, "PATH": os.pathsep.join(order)}


def _forward_signals(started: "asyncio.Future[asyncio.subprocess.Process]") -> None:
    """Pass signals on, also those that come while the program starts.

    Ctrl-C on a terminal has already reached the program.
    """
    loop = asyncio.get_running_loop()

    def send(number: signal.Signals) -> None:
        process = started.result()
        if process.returncode is None:
            process.send_signal(number)

    def forward(number: signal.Signals) -> None:
        started.add_done_callback(lambda _process: send(number))

    for number in FORWARDED:
        from_terminal = number in (signal.SIGINT, signal.SIGQUIT) and sys.stdin.isatty()
        loop.add_signal_handler(number, (lambda *_: None) if from_terminal else forward, number)


async def _serve(settings: Settings) -> int:
    async with open_session(settings) as opened:
        sys.stdout.write(json.dumps({"port": opened.port, "session_token": opened.token}) + "\n")
        sys.stdout.flush()
        await _stdin_closed()
    return 0


async def _stdin_closed() -> None:
    """Wait for the end of stdin, whatever it is: a pipe, a terminal, a file.

    A daemon thread reads, because an event loop cannot watch regular files or /dev/null.
    """
    loop = asyncio.get_running_loop()
    closed = asyncio.Event()

    def read() -> None:
        try:
            while os.read(0, 65536):
                pass
        except OSError:
            pass  # a closed descriptor is an end too
        loop.call_soon_threadsafe(closed.set)

    threading.Thread(target=read, daemon=True).start()
    await closed.wait()
