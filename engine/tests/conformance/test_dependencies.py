"""What a module gets of a module that it calls; each expectation was obtained from Dagger v0.21.8."""

import subprocess
from pathlib import Path

from tests.engines import wheelhouse

OUTER = Path(__file__).parents[2] / "assets" / "modules" / "outer"
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


def call(function: str) -> subprocess.CompletedProcess[str]:
    """Call a function of the module."""
    words = wheelhouse("--progress=plain", "call", function)
    return subprocess.run(words, cwd=OUTER, capture_output=True, text=True, check=False)


def test_a_module_calls_another_in_every_way() -> None:
    """Texts, enums, core objects, own objects, lists, defaults and a module of the other module."""
    ran = call("everything")

    assert ran.stdout.rstrip() == ANSWERS.rstrip(), ran.stderr


def test_an_exception_of_another_module_is_its_callers() -> None:
    """It comes through as one error with the text of the exception."""
    ran = call("fail")

    assert ran.returncode == 1
    assert "Error: FunctionError: nobody is here" in ran.stderr
