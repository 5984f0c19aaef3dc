"""Pruning takes nothing away that the service's own tests would miss."""

import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

ROOT = Path(__file__).parents[2]
RULES = ROOT / "pipeline" / "programs"
pytestmark = [pytest.mark.engine, pytest.mark.slow]


def outcomes(service: Path, out: Path) -> dict[str, str]:
    """Return how each test of the service, and each check over HTTP, ended in its cpu image."""
    words = ["call", "--source", str(service), "test", "--variant=cpu", "-o", str(out)]
    command = [sys.executable, "-m", "wheelhouse_engine", "--engine=embedded", *words]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    cases = [
        case
        for report in ("junit.xml", "http.xml")
        for case in ET.parse(out / report).getroot().iter("testcase")  # noqa: S314 - our own file
    ]
    return {
        f"{case.get('classname')}::{case.get('name')}": "skipped"
        if case.find("skipped") is not None
        else "passed"
        for case in cases
    }


def test_an_image_without_pruning_passes_the_same_tests_and_no_more(tmp_path):
    """With every rule switched off the image is larger, and each test ends as it does without them."""
    whole = Path(shutil.copytree(ROOT / "app", tmp_path / "app"))
    sys.path.insert(0, str(RULES))
    names = sorted(rule.name for rule in __import__("prune_rules").RULES)
    project = whole / "pyproject.toml"
    table = "[tool.wheelhouse.variants.cpu]\n"
    assert project.read_text().count(table) == 1
    project.write_text(project.read_text().replace(table, f"{table}keep = {names}\n"))

    pruned = outcomes(ROOT / "app", tmp_path / "pruned")

    assert pruned == outcomes(whole, tmp_path / "unpruned")
    assert list(pruned.values()).count("passed") > len(pruned) * 0.8
