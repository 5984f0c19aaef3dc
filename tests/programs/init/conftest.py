"""Run `init` as its container does, on folders that the tests write."""

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.programs.interpreters import PROGRAMS, interpreter, run_program


@dataclass(frozen=True, slots=True)
class Made:
    """What `init` wrote and said."""

    text: str
    report: str
    error: str

    @property
    def tables(self) -> dict[str, Any]:
        """Return the written file, parsed."""
        return tomllib.loads(self.text)

    @property
    def service(self) -> dict[str, Any]:
        """Return `[tool.wheelhouse]`."""
        table: dict[str, Any] = self.tables["tool"]["wheelhouse"]
        return table


Init = Callable[..., Made]


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give an interpreter with the packages of `init`."""
    return interpreter(tmp_path_factory.mktemp("init"), PROGRAMS / "init/requirements.txt")


@pytest.fixture
def init(tmp_path: Path, python: Path) -> Init:
    """Return a function that writes files and runs `init` on their folder."""

    def run(files: dict[str, str], *options: str) -> Made:
        source, out = tmp_path / "source", tmp_path / "out"
        source.mkdir(exist_ok=True)
        for name, text in files.items():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_text(text)
        done = run_program(python, "init", "--source", source, "--out", out, *options)
        if done.returncode:
            return Made("", "", done.stderr)
        return Made((out / "pyproject.toml").read_text(), (out / "guesses.txt").read_text(), "")

    return run
