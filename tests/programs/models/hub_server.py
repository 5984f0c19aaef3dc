"""Speak the model hub's HTTP interface on loopback, with faults on demand."""

import hashlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote


@dataclass
class HubServer:
    """What the server gives, how it misbehaves, and what it was asked."""

    commit: str
    repository: str
    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    token: str | None = None
    """Set: the repository is gated and only this token opens it."""
    faults: list[str] = field(default_factory=list)
    """One per coming download, e.g. "503", "429", "cut", "stall", "truncate"; then all is well."""
    rate: float | None = None
    """Bytes per second of a download, None for as fast as possible."""
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    sent_bytes: int = 0
    """Bytes of files that were sent, over all requests."""

    @property
    def source(self) -> str:
        """Return the hf:// URI of what is served."""
        return f"hf://{self.repository}@{self.commit}"


class QuietServer(ThreadingHTTPServer):
    """Let clients that a test kills go without a traceback."""

    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serve(commit: str, repository: str = "owner/tiny") -> Iterator[HubServer]:
    """Start the server on a free port; it stops at the end of the block."""
    hub = HubServer(commit, repository)
    root = f"/{repository}/resolve/"

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def do_GET(self) -> None:
            """Answer a resolve address with a redirect, and a /cdn address with bytes."""
            hub.requests.append((self.path, {key.lower(): value for key, value in self.headers.items()}))
            path = unquote(self.path)
            if path.startswith("/cdn/"):
                _send_file(self, hub, path.removeprefix("/cdn/"))
            elif hub.token and self.headers.get("Authorization") != f"Bearer {hub.token}":
                status = 403 if "Authorization" in self.headers else 401
                _send(self, status, {"X-Error-Code": "GatedRepo"})
            elif not path.startswith(root):
                _send(self, 404, {"X-Error-Code": "RepoNotFound"})
            else:
                _resolve(self, hub, path.removeprefix(root))

    with QuietServer(("127.0.0.1", 0), Handler) as server:
        hub.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield hub
        finally:
            server.shutdown()


def _resolve(handler: BaseHTTPRequestHandler, hub: HubServer, place: str) -> None:
    revision, _, name = place.partition("/")
    if revision != hub.commit:
        return _send(handler, 404, {"X-Error-Code": "RevisionNotFound"})
    if name not in hub.files:
        return _send(handler, 404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": hub.commit})
    data = hub.files[name]
    headers = {
        "Location": f"{hub.url.replace('127.0.0.1', 'localhost')}/cdn/{name}",
        "X-Repo-Commit": hub.commit,
        "X-Linked-Size": str(len(data)),
        "ETag": f'"{hashlib.sha1(data, usedforsecurity=False).hexdigest()}"',
    }
    return _send(handler, 302, headers)


def _send_file(handler: BaseHTTPRequestHandler, hub: HubServer, name: str) -> None:
    fault = hub.faults.pop(0) if hub.faults else ""
    if fault.isdigit():
        return _send(handler, int(fault), {"Retry-After": "0"})
    data, start = hub.files[name], 0
    asked = handler.headers.get("Range", "")
    if asked and fault != "no-range":
        start = int(asked.removeprefix("bytes=").rstrip("-"))
    handler.send_response(206 if start else 200)
    if start:
        handler.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
    body = data[start:]
    if fault == "truncate":
        body = body[: len(body) // 2]
    if fault == "flip":
        body = bytes([body[0] ^ 1]) + body[1:]
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    stop = len(body) // 2 if fault in ("cut", "stall") else len(body)
    _trickle(handler, hub, body[:stop])
    if fault == "stall":
        time.sleep(3)
    if fault in ("cut", "stall"):
        handler.close_connection = True
    return None


def _trickle(handler: BaseHTTPRequestHandler, hub: HubServer, body: bytes) -> None:
    step = 1 << 16
    for at in range(0, len(body), step):
        block = body[at : at + step]
        handler.wfile.write(block)
        hub.sent_bytes += len(block)
        if hub.rate:
            time.sleep(len(block) / hub.rate)
    handler.wfile.flush()


def _send(handler: BaseHTTPRequestHandler, status: int, headers: dict[str, str]) -> None:
    handler.send_response(status)
    for key, value in headers.items():
        handler.send_header(key, value)
    handler.send_header("Content-Length", "0")
    handler.end_headers()
