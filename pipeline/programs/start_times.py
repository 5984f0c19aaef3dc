"""Start a command again and again, and say how soon it answers and how much memory it takes.

    start_times.py --control 9010 --port 8000 --ready /ready --runs 5 [--embed] -- COMMAND…

Run by the interpreter of the image that is measured, in a network of its own. The control port opens at
once; whoever connects gets the JSON result once it is there. Seconds count from the start of the
process: until READY answers 200, and until the first embedding, whose request follows at once.
`peak_bytes` is the sum of VmHWM over the command's processes after that.
"""

import argparse
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

WITHIN_S: Final = 120
"""Longest wait for an answer. Source: torch and its model take 7 s with cold files (measured)."""
EVERY_S: Final = 0.005
"""Pause between two questions; what a start is measured to."""
TEXT: Final = "Where does a container keep its layers?"


def main() -> None:
    """Measure, then answer on the control port until the container is stopped."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--control", "--port", "--runs"):
        parser.add_argument(name, type=int, required=True)
    parser.add_argument("--ready", required=True)
    parser.add_argument("--embed", action="store_true")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    with socket.create_server(("", options.control)) as control:
        body = json.dumps(measured(options)).encode()
        head = f"HTTP/1.0 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        while True:
            asking, _ = control.accept()
            with asking:
                try:
                    asking.recv(4096)
                    asking.sendall(head + body)
                except OSError:  # a probe of the engine that only looks whether the port is open
                    continue


def measured(options: argparse.Namespace) -> dict[str, Any]:
    """Return `starts`, one object per run, and `failure`, "" when all answered."""
    starts: list[dict[str, float]] = []
    for _ in range(options.runs):
        try:
            starts.append(_start(options))
        except (OSError, TimeoutError, ValueError, KeyError, http.client.HTTPException) as error:
            return {"starts": starts, "failure": f"{type(error).__name__}: {error}"}
    return {"starts": starts, "failure": ""}


def _start(options: argparse.Namespace) -> dict[str, float]:
    """Return what one start took."""
    started = time.monotonic()
    process = subprocess.Popen(
        options.command, stdout=sys.stderr.fileno(), stderr=sys.stderr.fileno(), start_new_session=True
    )
    try:
        found = {"ready_s": _until_ready(process, options.port, options.ready, started)}
        if options.embed:
            model = _model(options.port)
            _embed(options.port, model)
            found["embedding_s"] = time.monotonic() - started
        found["peak_bytes"] = sum(_peak_bytes(pid) for pid in _family(process.pid))
        return found
    finally:
        _stop(process)


def _until_ready(process: "subprocess.Popen[bytes]", port: int, path: str, started: float) -> float:
    status = 0
    while time.monotonic() - started < WITHIN_S:
        if process.poll() is not None:
            raise ValueError(f"the command ended with exit code {process.returncode} before it was ready")
        try:
            status, _ = _ask(port, "GET", path)
        except (OSError, http.client.HTTPException):
            status = 0
        if status == http.HTTPStatus.OK:
            return time.monotonic() - started
        time.sleep(EVERY_S)
    raise TimeoutError(f"{path} answered {status or 'nothing'} for {WITHIN_S} s, 200 expected")


def _embed(port: int, model: str) -> None:
    status, body = _ask(port, "POST", "/v1/embeddings", {"input": TEXT, "model": model})
    if status != http.HTTPStatus.OK or not json.loads(body)["data"][0]["embedding"]:
        raise ValueError(f"/v1/embeddings answered {status}: {body[:200]!r}")


def _model(port: int) -> str:
    """Return the first model that the service lists, or a name for those that list none."""
    status, body = _ask(port, "GET", "/v1/models")
    return str(json.loads(body)["data"][0]["id"]) if status == http.HTTPStatus.OK else "any"


def _ask(port: int, method: str, path: str, body: object = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        data = None if body is None else json.dumps(body)
        connection.request(method, path, data, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def _family(pid: int) -> list[int]:
    """Return a process and all its descendants."""
    children: dict[int, list[int]] = {}
    for place in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(place.read_text().rpartition(")")[2].split()[1])
        except OSError:  # it ended while we looked
            continue
        children.setdefault(parent, []).append(int(place.parent.name))
    family = [pid]
    for member in family:
        family += children.get(member, [])
    return family


def _peak_bytes(pid: int) -> int:
    """Return the largest resident size that a process had."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=30)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


if __name__ == "__main__":
    main()
