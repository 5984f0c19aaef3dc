"""New lock files start from the pins of other tools."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.programs.interpreters import PROGRAMS

FILES = {
    "poetry.lock": '[[package]]\nname = "six"\nversion = "1.16.0"\n[metadata]\nlock-version = "2.0"\n',
    "pdm.lock": '[[package]]\nname = "six"\nversion = "1.16.0"\n[[package]]\nname = "own"\npath = "."\n',
    "Pipfile.lock": '{"default": {"six": {"version": "==1.16.0"}, "x": {"git": "y"}}, "develop": {}}',
    "requirements.txt": "-r base.txt\nhttpx>=1\nsix[a]==1.16.0 ; python_version > '3'  # why\n",
    "requirements-base.txt": "six==1.16.0 \\\n    --hash=sha256:ab\n",
}


def seed(folder: Path, *locks: str) -> str:
    """Run the program on a folder and return what it says."""
    command = [sys.executable, str(PROGRAMS / "seed_locks.py"), str(folder), *locks]
    (folder / "requirements").mkdir(exist_ok=True)
    return subprocess.run(command, check=True, capture_output=True, text=True).stderr


@pytest.mark.parametrize(("name", "text"), FILES.items(), ids=FILES)
def test_pins_of_another_tool_are_where_a_lock_starts(tmp_path, name, text):
    """What is pinned exactly is kept; ranges and repositories are left to the resolver."""
    (tmp_path / name).write_text(text)

    said = seed(tmp_path, "requirements/cpu.txt")

    assert (tmp_path / "requirements/cpu.txt").read_text() == "six==1.16.0\n"
    assert said == f"requirements/cpu.txt: keeps what still fits of 1 pins of {name}\n"


def test_a_lock_that_exists_stays(tmp_path):
    """The service's own lock counts more than what it was once made from."""
    (tmp_path / "requirements.txt").write_text("six==1.16.0\n")
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements/cpu.txt").write_text("six==1.17.0\n")

    assert seed(tmp_path, "requirements/cpu.txt") == ""
    assert (tmp_path / "requirements/cpu.txt").read_text() == "six==1.17.0\n"
