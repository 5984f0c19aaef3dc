"""Real things to test the engine's image side against, all on this machine."""

import contextlib
import http.client
import http.server
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ports import free_port
from wheelhouse_engine.credentials import Credentials
from wheelhouse_engine.imageconfig import ImageConfig
from wheelhouse_engine.layers import LayerCache, Storage
from wheelhouse_engine.oci import Form, Image, Layout, layout_of
from wheelhouse_engine.registry import Registry
from wheelhouse_engine.runner import Completed, ProcessRunner

pytest_plugins = ["engines"]

Files = Mapping[str, bytes]
"""Path in the image -> content."""

USERNAME = "ci"
PASSWORD = "canary-7c1f-pass"  # noqa: S105 - of a registry that lives for one test
HTPASSWD = f"{USERNAME}:$2b$04$HaVPH6ZYWp6qN9itLkqYt.M3HyDoiej341qWcZB9ZRlH9aAdIGx2S\n"
"""bcrypt of PASSWORD; the registry takes no other kind."""


def buildah(storage: Storage, *words: str) -> str:
    """Run buildah on a storage and return what it prints."""
    command = ["buildah", *storage.options, *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@contextlib.contextmanager
def new_storage(home: Path) -> Iterator[Storage]:
    """Give an empty containers-storage in a folder, removed afterwards."""
    for program in ("buildah", "skopeo"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    if os.geteuid() != 0:
        pytest.skip("mounting a working container needs root")
    made = Storage(home / "root", home / "run")
    yield made
    buildah(made, "rm", "--all")
    # the overlay driver mounts its folder on itself; while mounted, the folder cannot be removed
    subprocess.run(["umount", str(made.root / "overlay")], check=False, capture_output=True)
    shutil.rmtree(home)


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storage]:
    """Give a storage that the tests of a module share."""
    with new_storage(tmp_path_factory.mktemp("storage")) as made:
        yield made


@pytest.fixture
def empty_storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storage]:
    """Give a storage that has no layer yet."""
    with new_storage(tmp_path_factory.mktemp("empty")) as made:
        yield made


@pytest.fixture(scope="module")
def make_image(storage: Storage) -> Callable[..., str]:
    """Return a function that commits an image with one layer per argument, each once."""
    made: dict[str, str] = {}

    def make(*layers: Files) -> str:
        image = "scratch"
        for depth, files in enumerate(layers):
            key = repr(layers[: depth + 1])
            if key in made:
                image = made[key]
                continue
            working = buildah(storage, "from", image)
            root = Path(buildah(storage, "mount", working))
            for name, content in files.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_bytes(content)
            image = made[key] = buildah(storage, "commit", "--quiet", "--rm", "--timestamp", "0", working)
        return image

    return make


def wait_for(port: int, timeout_s: float = 60.0) -> None:
    """Wait until something listens."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise TimeoutError(f"nothing listens on port {port} after {timeout_s} s")


@pytest.fixture(scope="session")
def start_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., str]]:
    """Return a function that starts a registry and gives its `host:port`."""
    if shutil.which("docker-registry") is None:
        pytest.skip("docker-registry is not installed")
    started: list[subprocess.Popen[bytes]] = []

    def start(*, private: bool = False) -> str:
        home, port = tmp_path_factory.mktemp("registry"), free_port()
        lines = [
            "version: 0.1",
            "log: {accesslog: {disabled: true}}",
            f"storage: {{filesystem: {{rootdirectory: {home}/data}}, delete: {{enabled: true}}}}",
            f"http: {{addr: '127.0.0.1:{port}'}}",
        ]
        if private:
            (home / "htpasswd").write_text(HTPASSWD)
            lines.append(f"auth: {{htpasswd: {{realm: test, path: {home}/htpasswd}}}}")
        (home / "config.yml").write_text("\n".join(lines))
        log = (home / "log").open("wb")
        with log:
            command = ["docker-registry", "serve", str(home / "config.yml")]
            started.append(subprocess.Popen(command, stdout=log, stderr=log))
        wait_for(port)
        return f"127.0.0.1:{port}"

    yield start
    for process in started:
        process.terminate()
        process.wait()


@pytest.fixture
def credentials() -> Credentials:
    """Give what a private registry of `start_registry` asks for."""
    return Credentials(USERNAME, PASSWORD)


@pytest.fixture(scope="session")
def registry(start_registry: Callable[..., str]) -> str:
    """Give the `host:port` of a registry that everyone may use."""
    return start_registry()


@dataclass(slots=True)
class FaultProxy:
    """Stand before a registry and spoil chosen requests."""

    address: str
    faults: list[tuple[str, int]] = field(default_factory=list)
    """`(method, status)` of the next spoiled requests, in order; status 0 cuts the connection."""
    seen: list[str] = field(default_factory=list)
    """`METHOD path` of every request."""
    chance: Callable[[], int | None] = lambda: None
    """What spoils the next request, a status as above; None lets it pass."""


@pytest.fixture
def fault_proxy(registry: str) -> Iterator[FaultProxy]:
    """Give a proxy before the open registry."""
    port = free_port()
    proxy = FaultProxy(f"127.0.0.1:{port}")
    handler = type("Handler", (_Handler,), {"proxy": proxy, "upstream": registry})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield proxy
    server.shutdown()
    server.server_close()
    thread.join()


class _Handler(http.server.BaseHTTPRequestHandler):
    proxy: FaultProxy
    upstream: str
    protocol_version = "HTTP/1.1"

    def _forward(self) -> None:
        self.proxy.seen.append(f"{self.command} {self.path}")
        body = self._body()
        if self.proxy.faults and self.proxy.faults[0][0] == self.command:
            self._spoil(self.proxy.faults.pop(0)[1])
            return
        if (status := self.proxy.chance()) is not None:
            self._spoil(status)
            return
        connection = http.client.HTTPConnection(self.upstream)
        headers = {name: ", ".join(self.headers.get_all(name) or ()) for name in self.headers}
        connection.request(self.command, self.path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "content-length", "connection"):
                self.send_header(name, value)
        length = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(content))
        self.send_header("Content-Length", length or "0")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
        connection.close()

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        content = b""
        while size := int(self.rfile.readline(), 16):
            content += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        del self.headers["Transfer-Encoding"]
        self.headers["Content-Length"] = str(len(content))
        return content

    def _spoil(self, status: int) -> None:
        self.close_connection = True
        if status == 0:
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = _forward  # noqa: N815 - names of http.server

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - name of http.server
        """Say nothing."""


class CountingRunner(ProcessRunner):
    """Run real processes and count skopeo's copies."""

    started: int

    def __init__(self) -> None:
        super().__init__()
        object.__setattr__(self, "started", 0)

    async def run(self, argv: Sequence[str], **options: Any) -> Completed:
        """Count and run."""
        object.__setattr__(self, "started", self.started + (list(argv[:2]) == ["skopeo", "copy"]))
        return await super().run(argv, **options)


@pytest.fixture
def counting_runner() -> CountingRunner:
    """Give a runner that counts."""
    return CountingRunner()


@pytest.fixture
def registry_client(storage: Storage) -> Registry:
    """Give a client that hardly waits between attempts."""
    return Registry(ProcessRunner(), storage, {}, first_wait_s=0.01)


@pytest.fixture
async def new_layout(storage: Storage, make_image: Callable[..., str], tmp_path: Path) -> Layout:
    """Give a layout of one image that no registry has yet."""
    config = ImageConfig(env=("Q=7",), healthcheck={"Test": ["CMD", "true"]}, annotations={"an": "no"})
    return await layout_with(config, make_image({"new": os.urandom(16)}), storage, tmp_path)


@pytest.fixture
async def tall_layout(storage: Storage, make_image: Callable[..., str], tmp_path: Path) -> Layout:
    """Give a layout of one image of eight layers that no registry has yet."""
    layers = [{f"new-{number}": os.urandom(16)} for number in range(8)]
    return await layout_with(ImageConfig(), make_image(*layers), storage, tmp_path)


async def layout_with(config: ImageConfig, image_id: str, storage: Storage, folder: Path) -> Layout:
    """Return the layout of an image in storage."""
    cache = LayerCache(folder / "cache", ProcessRunner(), storage)
    return await layout_of(cache, [Image(config=config, image_id=image_id)], Form())
