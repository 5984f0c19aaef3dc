"""Small OCI archives, written byte by byte, for the audit to read."""

import io
import json
import sys
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
sys.path[:0] = [str(ROOT / "pipeline" / "programs"), str(ROOT)]


@dataclass
class Archive:
    """An image to be: layers with their files, and the command of each."""

    layers: list[dict[str, bytes]] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    kind: str = "application/vnd.oci.image.layer.v1.tar"
    blobs: dict[str, bytes] = field(default_factory=dict)
    pack: Callable[[bytes], bytes] = bytes
    """What is done to a layer's tar."""

    def layer(self, command: str, **files: bytes) -> "Archive":
        """Add a layer; `__` in a name stands for a slash, a name in `files` may also be given as is."""
        return self.of(command, {name.replace("__", "/"): content for name, content in files.items()})

    def of(self, command: str, files: dict[str, bytes]) -> "Archive":
        """Add a layer by paths."""
        self.layers.append(files)
        self.commands.append(command)
        return self

    def write(self, path: Path) -> Path:
        """Write the archive."""
        layers = [self._blob(self.kind, self.pack(_tar(files))) for files in self.layers]
        history: list[dict[str, Any]] = [{"created_by": command} for command in self.commands]
        history.insert(0, {"created_by": "ENV A=1", "empty_layer": True})
        config = self._blob("config", json.dumps({"history": history}).encode())
        manifest = self._blob("manifest", json.dumps({"config": config, "layers": layers}).encode())
        blobs = {f"blobs/{digest.replace(':', '/')}": content for digest, content in self.blobs.items()}
        blobs["index.json"] = json.dumps({"manifests": [manifest]}).encode()
        path.write_bytes(_tar(blobs))
        return path

    def _blob(self, kind: str, content: bytes) -> dict[str, Any]:
        digest = f"sha256:{sha256(content).hexdigest()}"
        self.blobs[digest] = content
        return {"mediaType": kind, "digest": digest, "size": len(content)}


def _tar(files: dict[str, bytes]) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return written.getvalue()


@pytest.fixture
def archive() -> Archive:
    """Give an image without layers."""
    return Archive()
