"""Modules that a module calls: of this machine, of a git repository, and those that cannot be had."""

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from wheelhouse_engine.cli.bindings import python_name
from wheelhouse_engine.cli.dependencies import load
from wheelhouse_engine.cli.environment import read_config
from wheelhouse_engine.cli.failures import ModuleLoadError
from wheelhouse_engine.cli.project import Settings

from .conftest import MODULES, PROGRAM

PATIENCE_S = 60


def module(folder: Path, name: str, body: str, **config: object) -> Path:
    """Write a module with one class, and return its folder."""
    folder.mkdir(exist_ok=True)
    text = {"name": name, "sdk": "python", "engineVersion": "v0.21.8", **config}
    (folder / "dagger.json").write_text(json.dumps(text))
    (folder / "main.py").write_text(
        "import dagger\nfrom dagger import dag, function, object_type\n\n\n"
        f"@object_type\nclass {name.capitalize()}:\n    @function\n    {body}\n"
    )
    return folder


def call(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `wheelhouse call` in a module's folder."""
    command = [*PROGRAM, "--silent", "call", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """Give the address of a git repository with the greeter and the module that it calls."""
    clone = tmp_path / "served" / "greeter.git"
    shutil.copytree(MODULES / "outer" / "greeter", clone, ignore=shutil.ignore_patterns("__pycache__"))
    for words in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "x"],
    ):
        subprocess.run(["git", "-C", str(clone), *words], check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["git", "daemon", "--export-all", f"--base-path={clone.parent}", "--listen=127.0.0.1"]
    daemon = subprocess.Popen([*words, f"--port={port}", str(clone.parent)])
    address = f"git://127.0.0.1:{port}/greeter.git"
    end = time.monotonic() + PATIENCE_S
    while subprocess.run(["git", "ls-remote", address], capture_output=True, check=False).returncode:
        assert time.monotonic() < end, "git daemon does not answer"
    yield address
    daemon.terminate()
    daemon.wait()


@pytest.mark.engine
def test_a_dependency_of_a_git_repository_runs_in_a_container(tmp_path: Path, served: str) -> None:
    """It is fetched, answers as one of this machine does, and sees none of its files."""
    body = (
        "async def main(self) -> list[str]:\n"
        "        own = await dag.greeter().source()\n"
        "        return [await dag.greeter(name='git').hello(), await dag.greeter().through(), *own]"
    )
    folder = module(tmp_path / "m", "sample", body, dependencies=[{"name": "greeter", "source": served}])

    ran = call(folder, "main")

    assert ran.stdout == "hello git!\ndeep!!!\n__init__.py\nmain.py\n", ran.stderr


@pytest.mark.engine
def test_a_repository_that_does_not_answer_is_an_error_where_it_is_called(tmp_path: Path) -> None:
    """The module loads, and the call of the dependency says what git said."""
    body = "async def main(self) -> str:\n        return await dag.far_away().hello()"
    address = "git://127.0.0.1:1/far.git"
    folder = module(tmp_path / "m", "sample", body, dependencies=[{"name": "far-away", "source": address}])

    ran = call(folder, "main")

    assert ran.returncode == 1
    assert "module sample calls its dependency far-away, which cannot be loaded" in ran.stderr
    assert "git://127.0.0.1:1/far.git@HEAD cannot be fetched" in ran.stderr


@pytest.mark.engine
@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (
            "def main(self) -> dagger.Greeter:\n        return dag.greeter()",
            'object "Sample" function "main" cannot return external type from dependency module "greeter"',
        ),
        (
            "def main(self, one: dagger.GreeterItem) -> str:\n        return ''",
            'function "main" arg "one" cannot reference external type from dependency module "greeter"',
        ),
    ],
)
def test_a_type_of_a_dependency_is_not_passed_on(tmp_path: Path, body: str, sentence: str) -> None:
    """A module's functions neither take nor return types of another module."""
    source = str(MODULES / "outer" / "greeter")
    folder = module(tmp_path / "m", "sample", body, dependencies=[{"name": "greeter", "source": source}])

    assert sentence in call(folder, "main").stderr


def test_a_circle_of_modules_is_refused(tmp_path: Path) -> None:
    """Two modules that depend on each other are one error that names both."""
    body = "def main(self) -> str:\n        return ''"
    one = module(tmp_path / "one", "one", body, dependencies=[{"name": "two", "source": "../two"}])
    module(tmp_path / "two", "two", body, dependencies=[{"name": "one", "source": "../one"}])

    with pytest.raises(ModuleLoadError, match="module two has a circular dependency on one"):
        load(read_config(one), Settings(silent=True))


@pytest.mark.parametrize(
    ("name", "spelled"),
    [
        ("withExec", "with_exec"),
        ("sha256", "sha256"),
        ("toJSON", "to_json"),
        ("from", "from_"),
        ("list", "list_"),
    ],
)
def test_names_are_spelled_as_the_code_generator_spells_them(name: str, spelled: str) -> None:
    """Acronyms are one word, keywords and names of types get an underscore."""
    assert python_name(name) == spelled
