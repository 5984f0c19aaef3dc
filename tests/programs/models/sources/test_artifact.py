"""oci:// sources: titled layers and tar layers of an artifact, by digest."""

import hashlib
import io
import json
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.programs.models.tiny_model import FILES, Fetch, Lock

GIVEN = "anonymous-pull"
TITLE = "org.opencontainers.image.title"


@dataclass
class Registry:
    """A registry that wants a pull token and serves one artifact."""

    address: str = ""
    blobs: dict[str, bytes] = field(default_factory=dict)

    def add(self, data: bytes) -> str:
        """Store bytes and return their digest."""
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        self.blobs[digest] = data
        return digest

    def artifact(self, layers: dict[str, bytes], media_type: str) -> str:
        """Store a manifest with these layers and return its oci:// address."""
        described = [
            {"mediaType": media_type, "digest": self.add(d), "size": len(d), "annotations": {TITLE: name}}
            for name, d in layers.items()
        ]
        return f"oci://{self.address}/models/tiny@{self.add(json.dumps({'layers': described}).encode())}"


@pytest.fixture
def registry() -> Iterator[Registry]:
    """Serve a registry on loopback."""
    found = Registry()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def do_GET(self) -> None:
            """Give tokens to everybody, and blobs to those who have one."""
            if self.path.startswith("/token"):
                return self._answer(200, json.dumps({"token": GIVEN}).encode())
            if self.headers.get("Authorization") != f"Bearer {GIVEN}":
                realm = f'Bearer realm="http://{found.address}/token",service="test"'
                return self._answer(401, b"", {"WWW-Authenticate": realm})
            data = found.blobs.get(self.path.rsplit("/", 1)[-1])
            return self._answer(200, data) if data is not None else self._answer(404, b"")

        def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for key, value in (headers or {}).items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found.address = f"127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield found
        server.shutdown()


def test_titled_layers_are_the_files(registry: Registry, lock: Lock, fetch: Fetch, tmp_path: Path) -> None:
    """Each layer titled like a file is that file; a pull token is asked for where one is wanted."""
    source = registry.artifact(FILES, "application/octet-stream")

    assert fetch(lock.write(FILES, source)) == 0
    assert (tmp_path / "out" / "config.json").read_bytes() == FILES["config.json"]


def test_tar_layer_is_looked_into(registry: Registry, lock: Lock, fetch: Fetch, tmp_path: Path) -> None:
    """Files come out of a compressed tar layer too."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, data in FILES.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    media = "application/vnd.oci.image.layer.v1.tar+gzip"
    source = registry.artifact({"weights.tgz": buffer.getvalue()}, media)

    assert fetch(lock.write(FILES, source)) == 0
    assert (tmp_path / "out" / "model.safetensors").read_bytes() == FILES["model.safetensors"]


def test_other_manifest_than_named_is_refused(
    registry: Registry, lock: Lock, fetch: Fetch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A manifest whose bytes do not have the digest in the address is refused."""
    source = registry.artifact(FILES, "application/octet-stream")
    registry.blobs[source.rsplit("@", 1)[-1]] = b'{"layers": []}'

    assert fetch(lock.write(FILES, source)) == 1
    assert "the registry served manifest" in capsys.readouterr().err


def test_absent_artifact_is_named(
    registry: Registry, lock: Lock, fetch: Fetch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An artifact that is not there is named with its registry."""
    assert fetch(lock.write(FILES, f"oci://{registry.address}/models/none@sha256:{'0' * 64}")) == 1
    assert "lacks models/none" in capsys.readouterr().err
