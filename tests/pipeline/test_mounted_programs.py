"""A program that is mounted by name finds the programs that it imports next to it."""

import ast
import re
from pathlib import Path

import pytest

PIPELINE = Path(__file__).parents[2] / "pipeline"
PROGRAMS = PIPELINE / "programs"
MOUNTED = re.compile(r"(?:program_files|tools|compiler|with_tools)\([^)]*\)")
NAME = re.compile(r'"(\w+\.py)"')


def neighbours(name: str) -> set[str]:
    """Return the programs that a program imports, directly or through others."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        for node in ast.walk(ast.parse((PROGRAMS / waiting.pop()).read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            new = {f"{one}.py" for one in names if (PROGRAMS / f"{one}.py").is_file()} - found
            found |= new
            waiting += new
    return found


@pytest.mark.parametrize("path", sorted(PIPELINE.glob("*.py")), ids=lambda path: path.name)
def test_a_mounted_program_comes_with_its_imports(path: Path) -> None:
    """Each call that mounts programs by name also names what they import."""
    for call in MOUNTED.findall(path.read_text()):
        given = set(NAME.findall(call))
        assert {name: missing for name in given if (missing := neighbours(name) - given)} == {}, call
