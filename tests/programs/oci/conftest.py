"""Give the registry client real registries, a proxy that spoils requests, and small images."""

import gzip
import hashlib
import io
import json
import sys
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "pipeline" / "programs"))

from oci.content import Layout
from oci.normalise import Form, normalise
from oci.repository import Access, Repository
from oci.retry import RetryPolicy

from tests.programs.oci.registry_server import Kind, Proxy, installed, proxy_before, running

QUICK = RetryPolicy(first_wait_s=0.01, longest_wait_s=0.05)
"""Six tries as always, but short waits."""
HEALTHCHECK = {"Test": ["CMD", "python", "-c", "pass"], "Interval": 10_000_000_000}


@pytest.fixture(scope="session")
def start_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., tuple[str, Path]]]:
    """Return a function that starts a registry and gives its `host:port` and its folder."""
    if not installed():
        pytest.skip("docker-registry is not installed")
    with ExitStack() as stack:

        def start(*, private: bool = False, tls: bool = False) -> tuple[str, Path]:
            home = tmp_path_factory.mktemp("registry")
            return stack.enter_context(running(home, Kind(private, tls))), home

        yield start


@pytest.fixture(scope="session")
def registry(start_registry: Callable[..., tuple[str, Path]]) -> str:
    """Give the `host:port` of a registry that everyone may use."""
    return start_registry()[0]


@pytest.fixture(scope="session")
def other_registry(start_registry: Callable[..., tuple[str, Path]]) -> str:
    """Give a second open registry."""
    return start_registry()[0]


@pytest.fixture
def proxy(registry: str) -> Iterator[Proxy]:
    """Give a proxy before the open registry."""
    with proxy_before(registry) as made:
        yield made


@pytest.fixture
def open_repository() -> Callable[..., Repository]:
    """Return a function that opens a repository with short waits and no logins of this machine."""

    def open_one(address: str, **access: Any) -> Repository:
        return Repository.open(address, Access(patience=QUICK, **access))

    return open_one


def tar_of(files: Mapping[str, bytes]) -> bytes:
    """Return a tar with these files, times 0."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def archive_of(
    layers: list[bytes], *, created: str = "2026-01-01T00:00:00Z", pack: bool = False, **config: Any
) -> bytes:
    """Return an OCI archive as an engine exports it: wall clock in `created` and history."""
    packed = [gzip.compress(layer, mtime=7) if pack else layer for layer in layers]
    kind = "application/vnd.oci.image.layer.v1.tar" + ("+gzip" if pack else "")
    document = {
        "architecture": config.pop("architecture", "amd64"),
        "os": "linux",
        "created": created,
        "config": {"Cmd": ["python"], "Healthcheck": HEALTHCHECK, "Hostname": "", **config},
        "rootfs": {"type": "layers", "diff_ids": [_digest(layer) for layer in layers]},
        "history": [{"created": created, "created_by": f"step at {created}"} for _ in layers],
    }
    blobs = [json.dumps(document).encode(), *packed]
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": _digest(blobs[0]),
                "size": len(blobs[0]),
            },
            "layers": [{"mediaType": kind, "digest": _digest(blob), "size": len(blob)} for blob in packed],
        }
    ).encode()
    entry = {
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": _digest(manifest),
        "size": len(manifest),
    }
    files = {f"blobs/sha256/{_digest(blob)[7:]}": blob for blob in [*blobs, manifest]}
    index = json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode()
    return tar_of({**files, "index.json": index, "oci-layout": b'{"imageLayoutVersion":"1.0.0"}'})


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@pytest.fixture
def make_tar() -> Callable[..., bytes]:
    """Return the function that makes a tar of files."""
    return tar_of


@pytest.fixture
def make_archive(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes an OCI archive with one layer per argument."""
    made: list[Path] = []

    def make(*layers: bytes, **config: Any) -> Path:
        path = tmp_path / f"export-{len(made)}.tar"
        path.write_bytes(archive_of([tar_of({"file": layer}) for layer in layers], **config))
        made.append(path)
        return path

    return make


@pytest.fixture
def make_layout(tmp_path: Path) -> Callable[..., Layout]:
    """Return a function that makes a normalised layout with one layer per argument."""
    made: list[Layout] = []

    def make(*layers: bytes, created: int = 1_700_000_000, **config: Any) -> Layout:
        folder = tmp_path / f"image-{len(made)}"
        folder.mkdir()
        (folder / "image.tar").write_bytes(
            archive_of([tar_of({"file": layer}) for layer in layers], **config)
        )
        normalise(folder / "image.tar", folder / "layout", Form(created))
        made.append(Layout(folder / "layout"))
        return made[-1]

    return make
