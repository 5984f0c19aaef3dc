"""The module loads on the clients of Dagger 0.21 and 1.0, and uses what the newer one offers."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline import compat as client

ROOT = Path(__file__).parents[2]
NEWER = "dagger-io==1.0.0b21"
OTHERS = ("pydantic>=2", "anyio")
"""What the module depends on besides the client."""
RESOLVE = """
import inspect, typing
from pipeline.main import Wheelhouse
from pipeline.compat import without_engine
for name, function in inspect.getmembers(Wheelhouse, inspect.isfunction):
    typing.get_type_hints(function)
print(without_engine())

"""


def test_code_of_others_is_kept_from_the_engine_where_the_client_can() -> None:
    """The argument is given to a client that has it, and to no other."""

    def newer(args: list[str], *, disable_dagger_in_dagger: bool = False) -> Any:
        raise NotImplementedError

    def older(args: list[str]) -> Any:
        raise NotImplementedError

    assert client.closed_by(newer) == {"disable_dagger_in_dagger": True}
    assert client.closed_by(older) == {}


@pytest.fixture(scope="module")
def newer_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the interpreter of an environment of its own with Dagger's 1.0 client."""
    folder = tmp_path_factory.mktemp("newer")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = folder / "bin/python"
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", NEWER, *OTHERS]
    done = subprocess.run(install, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"{NEWER} cannot be installed here: {done.stderr.strip()[-300:]}")
    return python


@pytest.mark.slow
def test_the_module_resolves_with_the_client_of_1_0(newer_python: Path) -> None:
    """Every type of the main object resolves, and code of others is closed off."""
    run = [str(newer_python), "-c", RESOLVE]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(run, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "{'disable_dagger_in_dagger': True}"
