"""What is asked of every service, in order; each check returns what is wrong, "" for nothing."""

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from service_check.asking import Client, status_line
from service_check.reference import PATH, difference, model

CLIENT_ERRORS: Final = range(400, 500)
CLOSED: Final = 0
START_S: Final = 60
"""Longest wait for an open port and for readiness; a warmed CPU service needs about one second."""
STOP_S: Final = 20
"""Longest wait after SIGTERM; orchestrators send SIGKILL after 10 (Docker) or 30 s (Kubernetes)."""
ENDED_WELL: Final = (0, 143)
"""Exit codes after SIGTERM: 0, or 128 + 15 of a process that raised the signal again when done."""
CLIENTS: Final = 16
"""Requests at the same time."""
BUSY: Final = 8
"""Requests in flight when SIGTERM arrives."""
ACCEPTED_S: Final = 0.5
"""Time for accepting what was sent, and for closing the port after SIGTERM."""
PAUSE_S: Final = 0.05


@dataclass(frozen=True)
class Target:
    """One started service."""

    client: Client
    supervisor: Client
    """Where it can be stopped and started (programs/supervise.py)."""
    health: str
    ready: str
    items: list[dict[str, Any]]
    """Reference embeddings; empty for a service that has none."""

    def state(self) -> dict[str, Any]:
        """Return whether the service runs, and its exit code."""
        found: dict[str, Any] = json.loads(self.supervisor.ask("/state")[1])
        return found

    def log(self) -> str:
        """Return what the service wrote."""
        return self.supervisor.ask("/log")[1].decode(errors="replace")


Check = Callable[[Target], str]


def checks(target: Target) -> Iterator[tuple[str, Check]]:
    """Yield names and checks; when one of the first two fails, the others say nothing and are skipped."""
    yield "start", starts
    yield "ready", becomes_ready
    if target.items:
        yield "ready means ready", answers_at_once
        yield "embeddings equal the reference", lambda one: difference(one.client, one.items)
    yield "health", lambda one: one.client.wrong(one.health, HTTPStatus.OK)
    yield "unknown path is refused", lambda one: one.client.wrong("/no/such/path", HTTPStatus.NOT_FOUND)
    yield "concurrent requests", answers_many
    yield "malformed requests", survives_nonsense
    yield "SIGTERM while busy loses no accepted request", stops_without_loss
    yield "restart", restarts


def starts(target: Target) -> str:
    """Wait until the port is open."""
    patience = patience_of(target, START_S)
    until = time.monotonic() + patience
    while time.monotonic() < until:
        state = target.state()
        if not state["running"]:
            return f"ended with exit code {state['exit_code']}: {last_lines(target)}"
        try:
            target.client.connect().close()
        except OSError:
            time.sleep(PAUSE_S)
            continue
        return ""
    host, port = target.client.address
    return (
        f"nobody listens on {host}:{port} after {patience:.0f} s; expected the service on every address "
        f"(0.0.0.0, not 127.0.0.1), on `port`: {last_lines(target)}"
    )


def becomes_ready(target: Target) -> str:
    """Wait until the service says that it is ready."""
    patience = patience_of(target, START_S)
    until = time.monotonic() + patience
    while (wrong := target.client.wrong(target.ready, HTTPStatus.OK)) and time.monotonic() < until:
        if not (state := target.state())["running"]:
            return f"ended with exit code {state['exit_code']}: {last_lines(target)}"
        time.sleep(PAUSE_S)
    return f"{wrong} within {patience:.0f} s" if wrong else ""


def answers_at_once(target: Target) -> str:
    """Ask for work right after readiness: a path that says 200 while the model loads is found here."""
    body = {"input": [target.items[0]["text"]], "model": model(target.client)}
    status, answer = target.client.ask(PATH, body)
    if status == HTTPStatus.OK:
        return ""
    said = answer[:300].decode(errors="replace")
    return f"{target.ready} said 200, then POST {PATH} answered {status}: {said}"


def answers_many(target: Target) -> str:
    """Ask from CLIENTS threads at once; each must get the answer to its own question."""

    def ask(number: int) -> str:
        if not target.items:
            return target.client.wrong(target.health, HTTPStatus.OK)
        return difference(target.client, [target.items[number % len(target.items)]])

    with ThreadPoolExecutor(CLIENTS) as pool:
        wrong = [found for found in pool.map(ask, range(4 * CLIENTS)) if found]
    return f"{len(wrong)} of {4 * CLIENTS} requests: {wrong[0]}" if wrong else ""


def survives_nonsense(target: Target) -> str:
    """Send what is not a request, and bodies that are wrong; the service refuses and goes on."""
    client, found = target.client, dict[str, int]()
    found["a line that is not HTTP"] = client.status_of(b"HELLO THERE\r\n\r\n")
    found["a header of 200 kB"] = client.status_of(b"GET / HTTP/1.1\r\nX: " + b"x" * 200_000 + b"\r\n\r\n")
    with client.connect() as cut:
        cut.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
    if target.items:
        found["a body that is not JSON"] = client.ask(PATH, b"{")[0]
        found["a body of wrong types"] = client.ask(PATH, {"input": 7, "model": []})[0]
        found["an empty body"] = client.ask(PATH, b"")[0]
    wrong = [f"answered {status} to {what}" for what, status in found.items() if not _refused(what, status)]
    wrong += filter(None, [client.wrong(target.health, HTTPStatus.OK)])
    return f"{'; '.join(wrong)}; expected 4xx, and a service that lives" if wrong else ""


def stops_without_loss(target: Target) -> str:
    """Send SIGTERM while requests are under way: all of them are answered, then the process ends."""
    path = PATH if target.items else target.ready
    texts = [item["text"] for item in target.items[:4]]
    body = json.dumps({"input": texts, "model": model(target.client) if texts else "any"}).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: app\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    )
    opened = [target.client.connect() for _ in range(BUSY)]
    for connection in opened:
        connection.sendall(head.encode() + b"\r\nConnection: close\r\n\r\n" + body[: len(body) // 2])
    time.sleep(ACCEPTED_S)
    target.supervisor.ask("/stop", b"")
    time.sleep(ACCEPTED_S)
    statuses = [_finished(connection, body[len(body) // 2 :]) for connection in opened]
    lost = [status for status in statuses if status == CLOSED or (target.items and status != HTTPStatus.OK)]
    wrong = [f"{len(lost)} of {BUSY} requests in flight got no answer"] if lost else []
    return "; ".join([*wrong, *filter(None, [ends(target)])])


def restarts(target: Target) -> str:
    """Start the service again after it ended: ready, with the same answers."""
    target.supervisor.ask("/start", b"")
    wrong = starts(target) or becomes_ready(target)
    return wrong or (difference(target.client, target.items[:1]) if target.items else "")


def patience_of(target: Target, most: float) -> float:
    """Return how long to wait for something: at most half of the time left, the rest is for the others."""
    return min(most, target.client.deadline.left(2 * most) / 2)


def _refused(what: str, status: int) -> bool:
    """Say whether a service refused; what is no HTTP may also be hung up on."""
    return status in CLIENT_ERRORS or (status == CLOSED and "body" not in what)


def _finished(connection: Any, rest: bytes) -> int:
    """Send the rest of a request and return the status of its answer; 0 for none."""
    with connection:
        with contextlib.suppress(ConnectionError):  # answered already, or lost: the next line tells which
            connection.sendall(rest)
        return status_line(connection)


def ends(target: Target) -> str:
    """Wait for the end of the process; kill one that stays."""
    patience = patience_of(target, STOP_S)
    until = time.monotonic() + patience
    while (state := target.state())["running"]:
        if time.monotonic() > until:
            target.supervisor.ask("/kill", b"")
            time.sleep(ACCEPTED_S)
            return f"still runs {patience:.0f} s after SIGTERM"
        time.sleep(PAUSE_S)
    code = state["exit_code"]
    return "" if code in ENDED_WELL else f"exit code {code} after SIGTERM, expected 0 or 143"


def last_lines(target: Target) -> str:
    """Return the end of what the service wrote."""
    return " | ".join(target.log().strip().splitlines()[-3:]) or "its log is empty"
