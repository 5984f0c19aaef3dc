"""A program that is mounted by name finds the programs that it imports next to it."""

import ast
import re
from pathlib import Path

import pytest

PIPELINE = Path(__file__).parents[2] / "pipeline"
PROGRAMS = PIPELINE / "programs"
FILES = sorted(path for path in PIPELINE.rglob("*.py") if not {"programs", "engine"} & set(path.parts))
MOUNTED = re.compile(r"(?:program_files|tools|compiler|with_tools)\([^)]*\)")
NAMED = re.compile(r"^[A-Z]+: Final = \((?:\s*\"[a-z_]+(?:\.py)?\",)+\s*\)", re.MULTILINE)
NAME = re.compile(r'"(\w+(?:\.py)?)"')


def imported(path: Path) -> set[str]:
    """Return the programs and folders of programs that a file imports, by the name that mounts them."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for top in (name.partition(".")[0] for name in names):
            found |= {f"{top}.py"} if (PROGRAMS / f"{top}.py").is_file() else set()
            found |= {top} if top and (PROGRAMS / top).is_dir() else set()
    return found


def needs(name: str) -> set[str]:
    """Return what a mounted program or folder imports, directly or through others."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        path = PROGRAMS / waiting.pop()
        new = {one for file in ([path] if path.is_file() else path.rglob("*.py")) for one in imported(file)}
        waiting += new - found
        found |= new
    return found - {name}


def lacking(text: str) -> dict[str, set[str]]:
    """Return program -> what it imports and a call does not mount, for every call of a text."""
    found: dict[str, set[str]] = {}
    for call in [*MOUNTED.findall(text), *NAMED.findall(text)]:
        given = {name for name in NAME.findall(call) if (PROGRAMS / name).exists()}
        found |= {name: gap for name in given if name.endswith(".py") and (gap := needs(name) - given)}
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PIPELINE)))
def test_a_mounted_program_comes_with_its_imports(path: Path) -> None:
    """Each call that mounts programs by name also names what they import."""
    assert lacking(path.read_text()) == {}


def test_a_program_without_its_imports_is_found() -> None:
    """The test above sees a call that forgets a neighbour or the shared readers."""
    assert lacking('program_files("layer_table.py")') == {"layer_table.py": {"lib"}}
    assert lacking('builder.tools("os_packages.py", "lib")') == {"os_packages.py": {"dpkg.py"}}
