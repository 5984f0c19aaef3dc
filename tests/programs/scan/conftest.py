"""Give the scan tests an interpreter with the scan's own packages, and software lists to scan."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
sys.path[:0] = [str(ROOT / "pipeline" / "programs"), str(ROOT)]

from tests.programs.interpreters import PROGRAMS, interpreter, run_program  # noqa: E402 - see the line above

ADVISORIES = ROOT / "tests" / "assets" / "advisories"
RECORDS = ADVISORIES / "records.json"
NOW = "2026-07-14T00:00:00+00:00"
SERVICE = "pkg:generic/demo@1"


@dataclass(frozen=True, slots=True)
class Scanner:
    """Runs scan.run on lists made of pins; every input can be replaced by a broken one."""

    python: Path
    folder: Path

    def bill(self, pins: Sequence[str], **more: Any) -> Path:
        """Write a list of PyPI components `name==version`, all required by the service."""
        names = [pin.split("==") for pin in pins]
        purls = [f"pkg:pypi/{name}@{version}" for name, version in names]
        document = {
            "bomFormat": "CycloneDX",
            "serialNumber": "urn:uuid:0",
            "metadata": {"component": {"bom-ref": SERVICE}, "properties": []},
            "components": [
                {"type": "library", "name": name, "version": version, "purl": purl}
                for (name, version), purl in zip(names, purls, strict=True)
            ],
            "dependencies": [{"ref": SERVICE, "dependsOn": purls}],
        }
        path = self.folder / "bill.json"
        path.write_text(json.dumps(document | more))
        return path

    def scan(self, bill: Path, *more: object, policy: Any = None, advisories: Path | None = RECORDS) -> Any:
        """Return findings.json of a scan."""
        done = self.run(bill, *more, policy=policy, advisories=advisories)
        assert done.returncode == 0, done.stderr
        return json.loads((self.folder / "out" / "findings.json").read_text())

    def run(self, bill: Path, *more: object, policy: Any = None, advisories: Path | None = RECORDS) -> Any:
        """Return the finished process of a scan."""
        settings = self.folder / "policy.json"
        settings.write_text(json.dumps({} if policy is None else policy))
        words = ["--bill", bill, "--policy", settings, "--out", self.folder / "out"]
        words += ["--advisories", advisories] if advisories else []
        words += [] if "--now" in more else ["--now", NOW]
        return run_program(self.python, "scan.run", *words, *more)


@pytest.fixture(scope="session")
def scan_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install what the scan container installs."""
    return interpreter(tmp_path_factory.mktemp("scan"), PROGRAMS / "scan" / "requirements.txt")


@pytest.fixture
def scanner(scan_python: Path, tmp_path: Path) -> Scanner:
    """Offer a scanner that writes into a folder of its own."""
    return Scanner(scan_python, tmp_path)
