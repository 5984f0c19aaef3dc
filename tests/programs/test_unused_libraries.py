"""Links that are never called go; symbols that nothing gives are named: on libraries compiled here."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.programs.interpreters import PROGRAMS, interpreter

if not shutil.which("gcc"):
    pytest.skip("no compiler here to make libraries with", allow_module_level=True)
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """Install the builder's tools, by hash, into an environment of their own."""
    return interpreter(tmp_path_factory.mktemp("tools"), PROGRAMS / "tools.txt")


@pytest.fixture
def site(tmp_path):
    """Make a user that links two CUDA libraries and calls one; neither file is real CUDA."""
    folder = tmp_path / "site/nvidia/lib"
    folder.mkdir(parents=True)
    for name in ("called", "idle"):
        compile_library(folder / f"lib{name}.so.1", f"int {name}(void) {{ return 7; }}")
    code = "int called(void); int answer(void) { return called(); }"
    links = ["-Wl,--no-as-needed", f"-L{folder}", "-l:libcalled.so.1", "-l:libidle.so.1"]
    compile_library(tmp_path / "site/user.so", code, *links, "-Wl,-rpath,$ORIGIN/nvidia/lib")
    return tmp_path / "site"


def compile_library(path: Path, code: str, *more: str) -> None:
    """Compile C code to a shared library whose soname is its file name."""
    command = ["gcc", "-shared", "-fPIC", "-x", "c", "-", "-o", str(path), f"-Wl,-soname,{path.name}"]
    subprocess.run([*command, "-x", "none", *more], input=code, check=True, text=True)


def run(python: Path, code: str, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run lines with the programs importable."""
    path = f"{python.parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PYTHONPATH": str(PROGRAMS), "PATH": path}
    command = [str(python), "-c", code, *words]
    return subprocess.run(command, check=False, capture_output=True, text=True, env=environment)


DROP = """
import sys, pathlib, ctypes
from unused_libraries import drop_unused
site = pathlib.Path(sys.argv[1])
print(*[path.name for path, _ in drop_unused(site)[0]], ctypes.CDLL(str(site / "user.so")).answer())
"""
PROVE = "import sys, prove_symbols; sys.exit(prove_symbols.main())"


def test_a_library_that_is_linked_and_never_called_goes_with_its_link(python, site):
    """The user loads and works without it; what is called stays."""
    result = run(python, DROP, str(site))

    assert result.stdout.split() == ["libidle.so.1", "7"], result.stderr
    assert sorted(path.name for path in (site / "nvidia/lib").iterdir()) == ["libcalled.so.1"]


def test_symbols_that_are_given_pass(python, site):
    """What a file wants is found in what it links."""
    assert run(python, PROVE, "--site", str(site)).returncode == 0


def test_a_symbol_that_nothing_gives_is_named(python, site):
    """A library of another version stops the build with the file and the symbol."""
    compile_library(site / "nvidia/lib/libcalled.so.1", "int other(void) { return 7; }")

    result = run(python, PROVE, "--site", str(site))

    assert result.returncode == 1
    assert "user.so wants called; expected the image to give these symbols" in result.stderr
