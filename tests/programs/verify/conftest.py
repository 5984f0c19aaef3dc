"""Give the tests a small image that keeps every promise, and ways to break one."""

import importlib.util
import io
import json
import marshal
import sys
import tarfile
import zipfile
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
PROGRAMS = ROOT / "pipeline" / "programs"
sys.path[:0] = [str(PROGRAMS), str(ROOT)]

from tests.programs.interpreters import interpreter, run_program  # noqa: E402 - see the line above

EPOCH = 315532800
DIGEST = "sha256:" + "ab" * 32
TAG = sys.implementation.cache_tag
SITE = "opt/venv/lib/python3.13/site-packages"
OCI = "org.opencontainers.image."
LABELS = {
    f"{OCI}title": "demo",
    f"{OCI}description": "A demo",
    f"{OCI}version": "1",
    f"{OCI}licenses": "MIT",
    f"{OCI}base.name": "docker.io/library/python:3.13-slim",
    f"{OCI}base.digest": DIGEST,
}
METADATA = "Metadata-Version: 2.4\nName: demo\nVersion: 1.0\nLicense-Expression: MIT\n"


def pyc(source: str) -> bytes:
    """Return unchecked-hash bytecode of this Python."""
    code = compile(source, "x", "exec")
    header = importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little")
    return header + importlib.util.source_hash(source.encode()) + marshal.dumps(code)


@dataclass
class Small:
    """The parts of an image, to be broken before they are judged."""

    folder: Path
    python: Path
    layers: list[list[tuple[tarfile.TarInfo, bytes]]] = field(default_factory=lambda: [[]])
    settings: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, str]] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    canary: str = ""

    def add(self, path: str, data: bytes | str = b"x", **changes: Any) -> None:
        """Put a file into the top layer; changes are fields of its tar header."""
        content = data.encode() if isinstance(data, str) else data
        member = tarfile.TarInfo(path)
        member.size, member.mtime, member.mode = len(content), EPOCH, 0o644
        for name, value in changes.items():
            setattr(member, name, value)
        self.layers[-1].append((member, content))

    def layer(self) -> None:
        """Begin a layer above."""
        self.layers.append([])

    def verdicts(self) -> dict[str, dict[str, str]]:
        """Return the verdicts by name."""
        archive = self.folder / "image.tar"
        self._write(archive)
        (self.folder / "facts.json").write_text(json.dumps(self.facts))
        words = ["--archive", archive, "--packed", archive, "--facts", self.folder / "facts.json"]
        words += ["--lock", self.folder / "lock.txt", "--wheels", self.folder / "wheels"]
        words += ["--models-lock", self.folder / "models.lock", "--out", self.folder / "out.json"]
        if self.canary:
            (self.folder / "canary").write_text(self.canary)
            words += ["--canary", self.folder / "canary"]
        result = run_program(self.python, "verify.static", *words)
        assert result.returncode == 0, result.stderr
        return {check["name"]: check for check in json.loads((self.folder / "out.json").read_text())}

    def broken(self) -> list[str]:
        """Return the names of the promises that fail."""
        return [name for name, check in self.verdicts().items() if check["status"] == "failed"]

    def _write(self, archive: Path) -> None:
        blobs = [self._tar(layer) for layer in self.layers]
        config = json.dumps({"config": self.settings, "history": self.history}).encode()
        manifest = json.dumps(
            {
                "config": {"digest": _name(config)},
                "layers": [{"digest": _name(b), "size": len(b)} for b in blobs],
            }
        ).encode()
        index = json.dumps({"manifests": [{"digest": _name(manifest)}]}).encode()
        with tarfile.open(archive, "w") as outer:
            for name, data in [
                ("index.json", index),
                *((_path(blob), blob) for blob in (config, manifest, *blobs)),
            ]:
                member = tarfile.TarInfo(name)
                member.size = len(data)
                outer.addfile(member, io.BytesIO(data))

    def _tar(self, layer: list[tuple[tarfile.TarInfo, bytes]]) -> bytes:
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for member, data in layer:
                archive.addfile(member, io.BytesIO(data))
        return packed.getvalue()


def _name(blob: bytes) -> str:
    return f"sha256:{sha256(blob).hexdigest()}"


def _path(blob: bytes) -> str:
    return "blobs/" + _name(blob).replace(":", "/")


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an interpreter that has the packages of the checks, by hash."""
    return interpreter(tmp_path_factory.mktemp("verify"), PROGRAMS / "verify" / "requirements.txt")


@pytest.fixture
def small(tmp_path: Path, python: Path) -> Small:
    """Return an image of a wheel, a model and a service that keeps every promise."""
    return _image(tmp_path, python, {})


@pytest.fixture
def wheel(tmp_path: Path, python: Path) -> Callable[..., Small]:
    """Return a function that gives such an image whose wheel has more members, or other metadata."""
    return lambda members, metadata=METADATA: _image(tmp_path, python, members, metadata)


def _image(tmp_path: Path, python: Path, members: dict[str, str], metadata: str = METADATA) -> Small:
    image = Small(tmp_path, python)
    image.settings = {
        "User": "1001:1001",
        "ExposedPorts": {"8000/tcp": {}},
        "Env": ["PATH=/opt/venv/bin"],
        "Healthcheck": {"Test": ["CMD", "python", "-c", "pass"]},
        "Labels": dict(LABELS),
    }
    image.add("tmp", mode=0o1777, type=tarfile.DIRTYPE, size=0)
    for name, text in _wheel(tmp_path, members, metadata).items():
        image.add(f"{SITE}/{name}", text)
    model = b"onnx"
    files = {"model.onnx": {"sha256": sha256(model).hexdigest(), "size_bytes": 4}}
    source = {"path": "model.safetensors", "sha256": "1" * 64, "size_bytes": 9}
    image.add("models/mini/model.onnx", model)
    image.add("models/mini/config.json", json.dumps({"files": files}))
    image.add(
        "models/mini/provenance.json", json.dumps({"revision": "r", "licence": "mit", "files": [source]})
    )
    (tmp_path / "models.lock").write_text(
        f'[models.mini]\nrevision = "r"\n[[models.mini.files]]\npath = "{source["path"]}"\n'
        f'sha256 = "{source["sha256"]}"\n'
    )
    image.add("srv/app/rag/main.py", "A = 1\n")
    image.add(f"srv/app/rag/__pycache__/main.{TAG}.pyc", pyc("A = 1\n"))
    image.facts = {
        "base_reference": f"{LABELS[f'{OCI}base.name']}@{DIGEST}",
        "labels": {f"{OCI}title": "demo"},
        "budget_mb": 1,
        "budget_compressed_mb": 1,
        "licences": ["MIT"],
        "models": ["mini"],
    }
    image.canary = "canary-5f0c1d2e3b4a"
    return image


def _wheel(folder: Path, more: dict[str, str], metadata: str) -> dict[str, str]:
    """Write a wheel and its lock; return its members."""
    members = {"demo/__init__.py": "B = 2\n", "demo-1.0.dist-info/METADATA": metadata, **more}
    rows = [
        f"{name},sha256={urlsafe_b64encode(sha256(text.encode()).digest()).rstrip(b'=').decode()},{len(text)}\n"
        for name, text in members.items()
    ]
    members["demo-1.0.dist-info/RECORD"] = "".join(rows)
    path = folder / "wheels/demo-1.0-py3-none-any.whl"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    (folder / "lock.txt").write_text(
        f"demo==1.0 \\\n    --hash=sha256:{sha256(path.read_bytes()).hexdigest()}\n"
    )
    return members
