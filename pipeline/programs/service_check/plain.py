"""What is asked of a service that does not speak HTTP: gRPC, any other TCP protocol, or none at all."""

import contextlib
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

from service_check.checks import (
    ACCEPTED_S,
    CLIENTS,
    PAUSE_S,
    START_S,
    Check,
    Target,
    ends,
    last_lines,
    patience_of,
    starts,
)

SETTLED_S: Final = 3
"""How long a worker must run before it counts as started: one that fails ends at once."""
PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
"""What an HTTP/2 client sends first: the preface and empty settings. Source: RFC 9113, 3.4."""
FRAME_BYTES: Final = 9
SETTINGS: Final = 4
"""Type of the frame that a server sends first."""


def plain_checks(protocol: str, *, probe: bool) -> Iterator[tuple[str, Check]]:
    """Yield names and checks of a service without HTTP, those that the others need first."""
    yield "start", stays if protocol == "none" else starts
    if probe:
        yield "ready", well
    if protocol != "none":
        answers = speaks_http2 if protocol == "grpc" else accepts
        yield "answers", answers
        yield "concurrent connections", partial(task_group, answers)
        yield "malformed requests", partial(survives_nonsense, answers)
    yield "SIGTERM ends it", stops
    yield "restart", partial(restarts, worker=protocol == "none", probe=probe)


def stays(target: Target) -> str:
    """Wait until the process has run for a while."""
    until = time.monotonic() + min(SETTLED_S, patience_of(target, SETTLED_S))
    while time.monotonic() < until:
        state = target.state()
        if not state["running"]:
            return f"ended with exit code {state['exit_code']}: {last_lines(target)}"
        time.sleep(PAUSE_S)
    return ""


def well(target: Target) -> str:
    """Run the image's own health check until it ends with 0."""
    until = time.monotonic() + patience_of(target, START_S)
    while True:
        found = json.loads(target.supervisor.ask("/probe", b"")[1])
        if found["exit_code"] == 0:
            return ""
        if not (state := target.state())["running"]:
            return f"ended with exit code {state['exit_code']}: {last_lines(target)}"
        if time.monotonic() > until:
            said = str(found["output"]).strip()
            return f"the health check ends with {found['exit_code']}, 0 expected: {said}"
        time.sleep(PAUSE_S)


def accepts(target: Target) -> str:
    """Connect."""
    target.client.connect().close()
    return ""


def speaks_http2(target: Target) -> str:
    """Send the preface of HTTP/2 and expect the server's settings."""
    with target.client.connect() as connection:
        connection.sendall(PREFACE)
        answer = b""
        while len(answer) < FRAME_BYTES and (data := connection.recv(FRAME_BYTES)):
            answer += data
    found = f"{answer!r}" if answer else "nothing"
    return "" if answer[3:4] == bytes([SETTINGS]) else f"{found} came back, HTTP/2 settings expected"


def task_group(answers: Check, target: Target) -> str:
    """Ask from CLIENTS threads at once."""
    with ThreadPoolExecutor(CLIENTS) as pool:
        wrong = [found for found in pool.map(lambda _: answers(target), range(4 * CLIENTS)) if found]
    return f"{len(wrong)} of {4 * CLIENTS}: {wrong[0]}" if wrong else ""


def survives_nonsense(answers: Check, target: Target) -> str:
    """Send bytes of no protocol and hang up, more than once; the service goes on."""
    for nonsense in (b"\0" * 4096, b"\xff" * 4096, b"GET / HTTP/1.0\r\n\r\n"):
        # Refused or hung up on: what follows says whether it goes on.
        with contextlib.suppress(OSError), target.client.connect() as connection:
            connection.sendall(nonsense)
    time.sleep(ACCEPTED_S)
    if not (state := target.state())["running"]:
        return f"ended with exit code {state['exit_code']}: {last_lines(target)}"
    return answers(target)


def stops(target: Target) -> str:
    """Send SIGTERM and wait for the end."""
    target.supervisor.ask("/stop", b"")
    return ends(target)


def restarts(target: Target, *, worker: bool, probe: bool) -> str:
    """Start it again after it ended."""
    target.supervisor.ask("/start", b"")
    return (stays if worker else starts)(target) or (well(target) if probe else "")
