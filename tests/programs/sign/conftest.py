"""Give the signing tests an interpreter with the signer's packages, and keys."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
sys.path[:0] = [str(ROOT / "pipeline" / "programs"), str(ROOT)]

from tests.programs.interpreters import PROGRAMS, interpreter, run_program  # noqa: E402 - see the line above

DIGEST = "sha256:" + "ab" * 32
STATEMENT = {
    "_type": "https://in-toto.io/Statement/v1",
    "subject": [{"name": "demo", "digest": {"sha256": DIGEST.removeprefix("sha256:")}}],
    "predicateType": "https://slsa.dev/provenance/v1",
    "predicate": {},
}


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs and verifies as the containers do."""

    python: Path
    folder: Path

    def key(self, name: str, curve: str = "prime256v1") -> Path:
        """Make a key pair `<name>.pem`, `<name>.pub` with openssl."""
        private = self.folder / f"{name}.pem"
        make = ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", f"ec_paramgen_curve:{curve}"]
        subprocess.run([*make, "-out", str(private)], check=True, capture_output=True)
        export = ["openssl", "pkey", "-in", str(private), "-pubout", "-out", str(private.with_suffix(".pub"))]
        subprocess.run(export, check=True)
        return private

    def sign(self, key: Path, statement: Any = STATEMENT) -> Any:
        """Return the finished process that signed `provenance.json`."""
        (self.folder / "provenance.json").write_text(json.dumps(statement))
        words = ["--key", key, "--out", self.folder / "out", self.folder / "provenance.json"]
        return run_program(self.python, "sign.attest", *words)

    @property
    def bundle(self) -> Path:
        """Return the bundle that was written."""
        return self.folder / "out" / "provenance.sigstore.json"

    def verify(self, public_key: Path, digest: str = DIGEST) -> Any:
        """Return the finished process that checked the bundle."""
        words = ["--public-key", public_key, "--digest", digest, self.bundle]
        return run_program(self.python, "sign.verify", *words)


@pytest.fixture(scope="session")
def sign_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install what the signing container installs."""
    return interpreter(tmp_path_factory.mktemp("sign"), PROGRAMS / "sign" / "requirements.txt")


@pytest.fixture
def signer(sign_python: Path, tmp_path: Path) -> Signer:
    """Offer a signer with a folder of its own."""
    return Signer(sign_python, tmp_path)
