"""A real registry on the loopback, and a proxy before it that counts bytes and spoils requests."""

import http.client
import http.server
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

USERNAME = "ci"
PASSWORD = "canary-5b0e-pass"  # noqa: S105 - of a registry that lives for one test
HTPASSWD = f"{USERNAME}:$2b$04$eBL9J50XYTRyoYbgSMe1gOlauA3UJ45DavgtUdH0nTcETDnVfnJDi\n"
"""bcrypt of PASSWORD; the registry takes no other kind."""


def free_port() -> int:
    """Return a port of the loopback that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Kind:
    """What a registry asks of its clients."""

    private: bool = False
    tls: bool = False


@contextmanager
def running(home: Path, kind: Kind) -> Iterator[str]:
    """Run docker-registry with its data in a folder; give its `host:port`."""
    port = free_port()
    lines = [
        "version: 0.1",
        "log: {accesslog: {disabled: true}}",
        f"storage: {{filesystem: {{rootdirectory: {home}/data}}, delete: {{enabled: true}}}}",
        f"http: {{addr: '127.0.0.1:{port}'{_tls(home) if kind.tls else ''}}}",
    ]
    if kind.private:
        (home / "htpasswd").write_text(HTPASSWD)
        lines.append(f"auth: {{htpasswd: {{realm: test, path: {home}/htpasswd}}}}")
    (home / "config.yml").write_text("\n".join(lines))
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            ["docker-registry", "serve", str(home / "config.yml")], stdout=log, stderr=log
        )
    try:
        _wait_for(port)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def _tls(home: Path) -> str:
    """Make a certificate of its own authority; the authority's file is `home/ca.pem`."""
    subject = ["-subj", "/CN=wheelhouse test", "-addext", "subjectAltName=IP:127.0.0.1"]
    make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    files = ["-keyout", str(home / "key.pem"), "-out", str(home / "ca.pem"), "-days", "2"]
    subprocess.run([*make, *files, *subject], check=True, capture_output=True)
    return f", tls: {{certificate: {home}/ca.pem, key: {home}/key.pem}}"


def _wait_for(port: int) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise TimeoutError(f"nothing listens on port {port} after 120 s")


@dataclass(frozen=True)
class Fault:
    """How a request is spoiled."""

    status: int = 0
    """Answered without asking the registry; 0 for the other ways."""
    retry_after: str = ""
    cut: str = ""
    """`before`: nothing is read; `body`: half the body is read; `answer`: done, but nobody is told;
    `middle`: half of the answer's body is given."""
    wait_s: float = 0.0
    headers: Mapping[str, str] = field(default_factory=dict)
    """Of an answer with a status, as is the body."""
    body: bytes = b""


@dataclass
class Proxy:
    """A proxy that stands before a registry."""

    address: str
    upstream: str
    fault: Callable[[str, str], Fault | None] = lambda _method, _path: None
    """Asked for every request by method and path."""
    seen: list[str] = field(default_factory=list)
    """`METHOD path` of every request, query and host left out."""
    sent: list[int] = field(default_factory=list)
    """Bytes of every request body."""
    times: list[float] = field(default_factory=list)
    """When every request came, by the monotonic clock."""
    given: int = 0
    """Bytes of the bodies that the registry answered."""

    def spoil(self, method: str, part: str, *faults: Fault) -> None:
        """Spoil the next requests of a method whose path contains a part, one fault each."""
        waiting = list(faults)

        def fault(asked: str, path: str) -> Fault | None:
            return waiting.pop(0) if waiting and asked == method and part in path else None

        self.fault = fault

    def clear(self) -> None:
        """Forget what was seen and spoil nothing more."""
        self.fault = lambda _method, _path: None
        self.seen.clear()
        self.sent.clear()
        self.times.clear()
        self.given = 0


@contextmanager
def proxy_before(upstream: str) -> Iterator[Proxy]:
    """Run a proxy before a registry."""
    proxy = Proxy(f"127.0.0.1:{free_port()}", upstream)
    handler = type("Handler", (_Handler,), {"proxy": proxy})
    port = int(proxy.address.rpartition(":")[2])
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(http.server.BaseHTTPRequestHandler):
    proxy: Proxy
    protocol_version = "HTTP/1.1"

    def _forward(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        path = self.path.partition("?")[0]
        self.proxy.seen.append(f"{self.command} {path}")
        self.proxy.times.append(time.monotonic())
        fault = self.proxy.fault(self.command, path) or Fault()
        time.sleep(fault.wait_s)
        if fault.cut == "before":
            self._cut()
            return
        body = self.rfile.read(length // 2 if fault.cut == "body" else length)
        self.proxy.sent.append(len(body))
        if fault.cut == "body":
            self._cut()
        elif fault.status:
            later = {"Retry-After": fault.retry_after} if fault.retry_after else {}
            self._answer(fault.status, {**fault.headers, **later}, fault.body)
        else:
            self._pass_on(body, cut=fault.cut)

    def _pass_on(self, body: bytes, *, cut: str) -> None:
        connection = http.client.HTTPConnection(self.proxy.upstream)
        headers = {name: ", ".join(self.headers.get_all(name) or ()) for name in self.headers}
        connection.request(self.command, self.path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        dropped = ("transfer-encoding", "content-length", "connection")
        headers = {name: value for name, value in answer.getheaders() if name.lower() not in dropped}
        if self.command == "HEAD":
            headers["Content-Length"] = answer.getheader("Content-Length") or "0"
        connection.close()
        if cut == "middle":
            headers["Content-Length"] = str(len(content))
            content = content[: len(content) // 2]
        if cut != "answer":
            self._answer(answer.status, headers, content)
            self.proxy.given += len(content)
        if cut in ("answer", "middle"):
            self._cut()

    def _answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _cut(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = _forward  # noqa: N815 - names of http.server

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - name of http.server
        """Say nothing."""


def installed() -> bool:
    """Whether the registry is there."""
    return shutil.which("docker-registry") is not None
