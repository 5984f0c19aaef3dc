"""Modules to call, and a stand-in for the session that records what it is asked."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from wheelhouse_engine.api import load_api
from wheelhouse_engine.cli.app import main
from wheelhouse_engine.cli.command_line import ModuleTypes
from wheelhouse_engine.cli.core import CoreTypes
from wheelhouse_engine.cli.environment import ModuleConfig, read_config
from wheelhouse_engine.cli.introspect import OwnTypes
from wheelhouse_engine.cli.modules import load_main_object
from wheelhouse_engine.cli.project import Project

MODULES = Path(__file__).parents[1] / "assets" / "modules"
PROGRAM = [sys.executable, "-m", "wheelhouse_engine", "--engine=embedded"]
Ran = subprocess.CompletedProcess[str]


@dataclass
class RecordingSession:
    """Answer queries by the first key that the text contains, and keep every text."""

    answers: Mapping[str, Any] = field(default_factory=dict)
    queries: list[str] = field(default_factory=list)

    async def query(self, text: str) -> Mapping[str, Any]:
        """Give the prepared answer; an exception is raised."""
        self.queries.append(text)
        found = next((value for key, value in self.answers.items() if key in text), None)
        if isinstance(found, Exception):
            raise found
        if found is None:
            raise AssertionError(f"no answer for {text}")
        return dict(found)


@pytest.fixture
def fresh_import(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Forget what a test imports and puts on the path."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    environ, names = dict(os.environ), set(sys.modules)
    yield
    os.environ.clear()
    os.environ.update(environ)
    for name in set(sys.modules) - names:
        if name.partition(".")[0] in ("main", "garden"):
            del sys.modules[name]


@pytest.fixture(scope="session")
def garden() -> Project:
    """Load the module with a function of every kind."""
    config = read_config(MODULES / "garden")
    environ = dict(os.environ)
    own = OwnTypes(load_main_object(config), config.name)
    os.environ.clear()
    os.environ.update(environ)
    return Project(config, ModuleTypes(own, lambda: CoreTypes(load_api())), lambda _function, _first: {})


@pytest.fixture
def garden_config(garden: Project, tmp_path: Path) -> ModuleConfig:
    """Place the module in a folder of its own, outside any repository."""
    (tmp_path / "beds").mkdir()
    return ModuleConfig("garden", tmp_path, tmp_path, garden.config.package, garden.config.class_name)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the module with a function of every kind out of this repository."""
    folder = tmp_path_factory.mktemp("project") / "garden"
    shutil.copytree(MODULES / "garden", folder)
    return folder


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Give the environment of a caller with a secret and a store of its own."""
    store = tmp_path_factory.mktemp("store")
    return {**os.environ, "WHEELHOUSE_STORE": str(store), "TOKEN": "t0ken", "NO_COLOR": "1"}


@pytest.fixture
def wheelhouse(
    project: Path, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., Ran]]:
    """Give a function that runs the program in the module's folder, inside this process."""
    before, held = dict(os.environ), {name: sys.modules[name] for name in sys.modules if is_module_code(name)}
    monkeypatch.setattr(sys, "path", [*sys.path])

    def run(*words: str, cwd: Path = project) -> Ran:
        monkeypatch.chdir(cwd)
        change_environment(environ)
        capfd.readouterr()
        code = main(["--engine=embedded", *words])
        return Ran(words, code, *capfd.readouterr())

    for name in held:
        del sys.modules[name]
    yield run
    for name in [name for name in sys.modules if is_module_code(name)]:
        del sys.modules[name]
    sys.modules.update(held)
    change_environment(before)


def is_module_code(name: str) -> bool:
    """Say whether a Python module belongs to one of the asset modules."""
    return name.partition(".")[0] in ("garden", "main")


def change_environment(environ: Mapping[str, str]) -> None:
    """Make `environ` this process's whole environment."""
    os.environ.clear()
    os.environ.update(environ)


@pytest.fixture
def process(project: Path, environ: dict[str, str]) -> Callable[..., Ran]:
    """Give a function that runs the program as a process of its own, for what talks to the engine."""

    def run(*words: str, cwd: Path = project) -> Ran:
        return subprocess.run(
            [*PROGRAM, *words], cwd=cwd, env=environ, capture_output=True, text=True, check=False
        )

    return run
