"""Processes: the service as the image starts it."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import rag
from doubles import Script
from rag.settings import Settings

APP = Path(rag.__file__).parents[1]

PATIENCE_S = 120.0
"""Longest wait for an event that comes at once on a quiet machine."""


@dataclass
class Process:
    """Hold a started service."""

    url: str
    port: int
    popen: "subprocess.Popen[str]"
    upstream: Script | None = None
    """What it calls, where that is scripted."""


def free_port() -> int:
    """Find a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def started(*words: str, **environ: str) -> Iterator[Process]:
    """Start `python -m rag WORDS…` as the image does; it is killed when the test leaves it running."""
    port = free_port()
    path = os.pathsep.join([str(APP), *filter(None, [os.environ.get("PYTHONPATH")])])
    # What the image presets must not decide what a test sees.
    inherited = {name: text for name, text in os.environ.items() if name.lower() not in Settings.model_fields}
    env = {**inherited, "PYTHONPATH": path, "HOST": "127.0.0.1", "PORT": str(port), **environ}
    command = [sys.executable, "-m", "rag", *words]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(command, env=env, text=True, **pipes) as popen:
        try:
            yield Process(f"http://127.0.0.1:{port}", port, popen)
        finally:
            popen.kill()


def wait_until_ready(process: Process) -> None:
    """Ask /ready until it says 200."""
    wait_for(process, lambda answer: answer.status_code == 200)


def wait_for(process: Process, good: Callable[[httpx2.Response], bool]) -> None:
    """Ask /ready until its answer is good."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and process.popen.poll() is None:
        try:
            if good(httpx2.get(f"{process.url}/ready", timeout=PATIENCE_S)):
                return
        except httpx2.TransportError:
            pass
        time.sleep(0.02)
    process.popen.kill()
    raise AssertionError(f"/ready never answered so:\n{process.popen.communicate()[0]}")


def wait_until_refused(process: Process) -> None:
    """Connect until nobody listens any more."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", process.port), timeout=PATIENCE_S).close()
        except ConnectionRefusedError:
            return
        time.sleep(0.02)
    raise AssertionError("the service still listens")
