"""Give the list tests a small image: two Debian packages, two wheels, a model, a service."""

import base64
import hashlib
import json
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
sys.path[:0] = [str(ROOT / "pipeline" / "programs"), str(ROOT)]

from tests.programs.interpreters import interpreter, run_program  # noqa: E402 - see the line above
from tests.programs.sbom.validators import REQUIREMENTS  # noqa: E402 - see above

SITE = "opt/venv/lib/python3.13/site-packages"
COMMIT = "1110a243fdf4706b3f48f1d95db1a4f5529b4d41"
CRATE = "pkg:cargo/serde@1.0.0"
PACKAGE = """\
Package: {name}
Status: install ok installed
Architecture: amd64
Version: {version}
Source: {source}
"""
FACTS = {
    "labels": {"org.opencontainers.image.title": "demo", "org.opencontainers.image.version": "1.2"},
    "base": "docker.io/library/python:3.13-slim@sha256:" + "ab" * 32,
    "requirements": ["alpha", "colorama; sys_platform == 'win32'"],
}


@dataclass(frozen=True, slots=True)
class Image:
    """A root filesystem, the wheels it was made of, and their lock."""

    folder: Path

    @property
    def root(self) -> Path:
        """Return the root filesystem."""
        return self.folder / "root"

    def write(self, path: str, content: str = "x") -> Path:
        """Write a file of the image."""
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(content)
        return place

    def debian(self, name: str, version: str, *files: str, source: str = "") -> None:
        """Install a Debian package as a distroless image records it."""
        for path in files:
            self.write(path)
        record = f"var/lib/dpkg/status.d/{name}"
        self.write(record, PACKAGE.format(name=name, version=version, source=source or name))
        self.write(f"{record}.md5sums", "".join(f"{'0' * 32}  {path}\n" for path in files))

    def wheel(self, name: str, version: str, *requires: str, files: dict[str, str] | None = None) -> None:
        """Make a wheel file, lock it, and install it."""
        info = f"{name}-{version}.dist-info"
        needs = "".join(f"Requires-Dist: {one}\n" for one in requires)
        metadata = (
            f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\nLicense-Expression: MIT\n{needs}"
        )
        members = {f"{name}/__init__.py": "", f"{info}/METADATA": metadata, **(files or {})}
        rows = [f"{path},sha256={_digest(text)},{len(text)}\n" for path, text in members.items()]
        members[f"{info}/RECORD"] = "".join(rows) + f"{info}/RECORD,,\n"
        path = self.folder / "wheels" / f"{name}-{version}-py3-none-any.whl"
        path.parent.mkdir(exist_ok=True)
        with zipfile.ZipFile(path, "w") as archive:
            for member, text in members.items():
                archive.writestr(zipfile.ZipInfo(member), text)
        with zipfile.ZipFile(path) as archive:
            archive.extractall(self.root / SITE)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        with (self.folder / "lock.txt").open("a") as lock:
            lock.write(f"{name}=={version} --hash=sha256:{digest}\n")

    def run(self, out: str = "out", **environment: str) -> Any:
        """Return the finished process of sbom.write."""
        facts = self.folder / "facts.json"
        facts.write_text(json.dumps(FACTS))
        words = ["--root", self.root, "--facts", facts, "--lock", self.folder / "lock.txt"]
        words += ["--wheels", self.folder / "wheels", "--out", self.folder / out]
        return run_program(sys.executable, "sbom.write", *words, **environment)

    def listed(self, name: str = "sbom.cdx.json") -> Any:
        """Return a list of the image."""
        done = self.run()
        assert done.returncode == 0, done.stderr
        return json.loads((self.folder / "out" / name).read_text())


@pytest.fixture
def image(tmp_path: Path) -> Image:
    """Offer an image that has one of everything."""
    made = Image(tmp_path)
    made.debian("base-files", "13.8", "usr/lib/os-release")
    made.write("usr/lib/os-release", 'ID=debian\nVERSION_ID="13"\n')
    made.debian("libc6", "2.41-12", "usr/lib/x86_64-linux-gnu/libc.so.6", source="glibc")
    made.debian("zlib1g", "1:1.3.1-1", "lib/x86_64-linux-gnu/libz.so.1.3.1", source="zlib (1:1.3.1)")
    (made.root / "lib/x86_64-linux-gnu/libz.so.1").symlink_to("libz.so.1.3.1")
    embedded = {"components": [{"name": "serde", "version": "1.0.0", "purl": CRATE, "licenses": []}]}
    sbom = {"beta-2.0+cpu.dist-info/sboms/beta.cyclonedx.json": json.dumps(embedded)}
    made.wheel("alpha", "1.0", "beta>=1", "gamma; extra == 'all'")
    made.wheel("beta", "2.0+cpu", files=sbom)
    made.write("models/mini/model.onnx", "weights")
    made.write(
        "models/mini/provenance.json",
        json.dumps(
            {"revision": COMMIT, "licence": "apache-2.0", "sources": [f"hf://org/mini@{COMMIT}"], "files": []}
        ),
    )
    made.write(
        "models/mini/config.json",
        json.dumps(
            {
                "task": "embedding",
                "architecture": "bert",
                "hidden_size": 384,
                "max_length": 256,
                "precision": "onnx-int8",
            }
        ),
    )
    made.write("srv/app/demo/main.py")
    made.write("etc/passwd")
    return made


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


@pytest.fixture(scope="session")
def validator_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the validators of both formats."""
    return interpreter(tmp_path_factory.mktemp("validators"), REQUIREMENTS)
