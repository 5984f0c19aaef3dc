"""Start a service as its image does, and stop, start and watch it on request over HTTP.

    supervise.py --port 9009 [--probe JSON] -- COMMAND…

GET /state answers {"running", "exit_code"}, GET /log what the service wrote. POST /stop sends SIGTERM,
POST /kill SIGKILL, POST /start starts it again; each answers at once. POST /probe runs the health check,
the JSON list of --probe, and answers {"exit_code", "output"}. It runs inside the image, so
that a service which ends or never answers leaves its log and its exit code behind.
"""

import argparse
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

MAX_LOG: Final = 1_000_000
"""Bytes of the log that are kept, the last ones."""
PROBE_S: Final = 25
"""Longest wait for a health check."""
TIMED_OUT: Final = 124
"""Exit code of a health check that does not end. Source: timeout(1)."""
NOT_STARTED: Final = 127
"""Exit code of a program that cannot be started. Source: POSIX shells."""


class Supervised:
    """Hold the service's process and what it wrote."""

    def __init__(self, command: list[str], probe: list[str]) -> None:
        self.command = command
        self.check = probe
        self.log = bytearray()
        self.process: subprocess.Popen[bytes] | None = None
        self.exit_code: int | None = None

    def start(self) -> None:
        """Start the service unless it runs."""
        if self.state()["running"]:
            return
        self.exit_code = None
        try:
            self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        except OSError as error:
            self.exit_code = NOT_STARTED
            self._keep(f"{self.command[0]}: {error.strerror}\n".encode())
            return
        threading.Thread(target=self._read, args=[self.process], daemon=True).start()

    def send(self, which: signal.Signals) -> None:
        """Send a signal to the service, if it runs."""
        if self.process and self.process.poll() is None:
            self._keep(f"[{which.name}]\n".encode())
            self.process.send_signal(which)

    def probe(self) -> dict[str, object]:
        """Run the health check; return its exit code and the end of what it wrote."""
        try:
            ran = subprocess.run(
                self.check, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=PROBE_S
            )
        except subprocess.TimeoutExpired:
            return {"exit_code": TIMED_OUT, "output": f"no end within {PROBE_S} s"}
        except (OSError, IndexError) as error:
            return {"exit_code": NOT_STARTED, "output": str(error)}
        return {"exit_code": ran.returncode, "output": ran.stdout.decode(errors="replace")[-500:]}

    def state(self) -> dict[str, object]:
        """Return whether the service runs, and its exit code: 128 + signal where one ended it."""
        if self.process and (code := self.process.poll()) is not None:
            self.exit_code = code if code >= 0 else 128 - code
        running = self.process is not None and self.exit_code is None
        return {"running": running, "exit_code": self.exit_code}

    def _read(self, process: "subprocess.Popen[bytes]") -> None:
        while process.stdout and (data := process.stdout.read1(65536)):  # type: ignore[attr-defined]
            self._keep(data)

    def _keep(self, data: bytes) -> None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        self.log += data
        del self.log[:-MAX_LOG]


def server(supervised: Supervised, port: int) -> ThreadingHTTPServer:
    """Return the server of the two questions, the three orders and the health check."""
    orders: dict[str, Callable[[], None]] = {
        "/start": supervised.start,
        "/stop": lambda: supervised.send(signal.SIGTERM),
        "/kill": lambda: supervised.send(signal.SIGKILL),
    }

    class Handler(BaseHTTPRequestHandler):
        """Answer with JSON, or with the log."""

        def do_GET(self) -> None:
            known = self.path in {"/state", "/log"}
            body = bytes(supervised.log) if self.path == "/log" else json.dumps(supervised.state()).encode()
            self._answer(200 if known else 404, body)

        def do_POST(self) -> None:
            if self.path == "/probe":
                self._answer(200, json.dumps(supervised.probe()).encode())
                return
            known = self.path in orders
            if known:
                orders[self.path]()
            self._answer(200 if known else 404, json.dumps(supervised.state()).encode())

        def log_message(self, *_: object) -> None:
            """Say nothing: the log is the service's."""

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return ThreadingHTTPServer(("", port), Handler)


def main() -> None:
    """Serve until SIGTERM; the service ends with it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--probe", type=json.loads, default=[])
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    supervised = Supervised(options.command, options.probe)

    def leave(*_: object) -> None:
        supervised.send(signal.SIGTERM)
        sys.exit(0)

    signal.signal(signal.SIGTERM, leave)
    supervised.start()
    server(supervised, options.port).serve_forever()


if __name__ == "__main__":
    main()
