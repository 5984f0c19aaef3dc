"""The proof by import: every distribution's modules load, or the rule that took one away is named."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[2] / "pipeline/programs/prove_imports.py"


@pytest.fixture
def site(tmp_path):
    """Make a folder with one distribution whose package needs a sibling module."""
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo/__init__.py").write_text("from demo import needed\n")
    (tmp_path / "demo/needed.py").write_text("")
    info = tmp_path / "demo-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n")
    (info / "RECORD").write_text("demo/__init__.py,,\ndemo/needed.py,,\ndemo-1.0.dist-info/METADATA,,\n")
    return tmp_path


def prove(site: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the program with the folder as its only third-party packages."""
    environment = {**os.environ, "PYTHONPATH": str(site)}
    command = [sys.executable, "-S", str(PROGRAM), *options]
    return subprocess.run(command, check=False, capture_output=True, text=True, env=environment)


def test_what_imports_passes(site):
    """A package whose parts are all there passes."""
    result = prove(site)

    assert (result.returncode, result.stderr.strip()) == (0, "")


def test_a_module_that_does_not_import_is_named(site):
    """The distribution, the module and Python's own error are in the message."""
    (site / "demo/needed.py").write_text("import no_such_library\n")

    result = prove(site)

    assert result.returncode == 1
    assert "demo: import demo: ModuleNotFoundError: No module named 'no_such_library'" in result.stderr


def test_the_prune_rule_that_broke_it_is_named(site, tmp_path):
    """A module that a rule dropped is blamed on the rule, with the way to keep it."""
    (site / "demo/needed.py").unlink()
    report = tmp_path / "pruned.json"
    entry = {"reason": "nobody needs it", "bytes": 0, "dropped": ["demo/needed.py"]}
    report.write_text(json.dumps({"too-eager": entry}))

    result = prove(site, "--pruned", str(report))

    assert result.returncode == 1
    assert "dropped by the prune rule 'too-eager' (nobody needs it)" in result.stderr
    assert "Add 'too-eager' to the variant's `keep`." in result.stderr


def test_a_module_that_exits_is_a_failure(site):
    """Even SystemExit at import is what the service would see."""
    (site / "demo/needed.py").write_text("raise SystemExit(0)\n")

    assert prove(site).returncode == 1
