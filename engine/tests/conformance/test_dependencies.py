"""What a module gets of another, and what it sees of itself. Source: the answers of Dagger v0.21.8."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from engines import wheelhouse

pytestmark = pytest.mark.engine

OUTER = Path(__file__).parents[1] / "assets" / "modules" / "outer"
ANSWERS = """\
hello world!
hello world!hello world!
hello moon.
['a.txt']
['keep.txt']
PLUMPLUM
['a', 'b']
5
['dagger.json', 'pyproject.toml', 'src/', '__init__.py', 'main.py']
deep!!!
False
['None', 'yes']
Greeter,GreeterID,GreeterItem,GreeterItemID,GreeterMood
"""


def call(function: str, folder: Path = OUTER) -> subprocess.CompletedProcess[str]:
    """Call a function of the module."""
    words = wheelhouse("--progress=plain", "call", *function.split())
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)


def test_a_module_calls_another_in_every_way() -> None:
    """Texts, enums, core objects, own objects, lists, defaults and a module of the other module."""
    ran = call("everything")

    assert ran.stdout.rstrip() == ANSWERS.rstrip(), ran.stderr


def test_an_exception_of_another_module_is_its_callers() -> None:
    """It comes through as one error with the text of the exception."""
    ran = call("fail")

    assert ran.returncode == 1
    assert "Error: FunctionError: nobody is here" in ran.stderr


@pytest.fixture
def placed(tmp_path: Path) -> Path:
    """Place a module at the root of a git repository."""
    folder = tmp_path / "placed"
    shutil.copytree(OUTER.parent / "placed", folder, ignore=shutil.ignore_patterns("__pycache__"))
    for words in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "x"],
    ):
        subprocess.run(["git", *words], cwd=folder, check=True)
    return folder


def test_the_source_of_a_module_has_what_git_keeps(placed: Path) -> None:
    """At the root of a repository .git is part of it, unless dagger.json leaves it out."""
    assert call("source", placed).stdout.split() == [".git/", "dagger.json", "pyproject.toml", "src/"]

    config = json.loads((placed / "dagger.json").read_text())
    (placed / "dagger.json").write_text(json.dumps({**config, "include": ["!.git"]}))

    assert call("source", placed).stdout.split() == ["dagger.json", "pyproject.toml", "src/"]


def test_a_function_runs_in_an_empty_folder(placed: Path) -> None:
    """It is not the caller's, and what the function writes there is read through the API."""
    assert call("work", placed).stdout.split("\n")[:3] == ["[]", "['made.txt']", "made"]


@pytest.mark.parametrize("path", ["..", "/src"])
def test_a_function_reads_nothing_outside_its_folder(placed: Path, path: str) -> None:
    """A path out of the folder is refused."""
    assert f'workdir path "{path}" escapes workdir' in call(f"folder --path={path}", placed).stderr
