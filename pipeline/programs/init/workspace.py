"""Find the code of the projects that a project of uv takes from its own folders."""

import tomllib
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def local_code(root: Path) -> dict[str, str]:
    """Return folder of code -> name of the distribution, of each dependency that is a folder of the source.

    These are members of the workspace and paths of `[tool.uv.sources]`, also those that members depend on.
    """
    path = root / "pyproject.toml"
    tables = tomllib.loads(path.read_text("utf-8")) if path.is_file() else {}
    uv = tables.get("tool", {}).get("uv", {})
    members = [
        folder for pattern in uv.get("workspace", {}).get("members", []) for folder in root.glob(pattern)
    ]
    members += [
        root / source["path"]
        for source in uv.get("sources", {}).values()
        if isinstance(source, dict) and "path" in source
    ]
    projects = {name: (folder, table) for folder in members for name, table in _project(folder)}
    found: dict[str, str] = {}
    waiting = _names(tables.get("project", {}))
    done: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in projects and name not in done:
            done.add(name)
            folder, table = projects[name]
            waiting += _names(table)
            found |= {code.relative_to(root).as_posix(): name for code in _packages(folder)}
    return found


def _project(folder: Path) -> list[tuple[str, dict[str, Any]]]:
    path = folder / "pyproject.toml"
    table = tomllib.loads(path.read_text("utf-8")).get("project", {}) if path.is_file() else {}
    return [(canonicalize_name(table["name"]), table)] if "name" in table else []


def _names(table: dict[str, Any]) -> list[str]:
    return [canonicalize_name(Requirement(line).name) for line in table.get("dependencies", [])]


def _packages(folder: Path) -> list[Path]:
    """Return the packages of a project: below src, or next to its pyproject.toml."""
    at = folder / "src" if (folder / "src").is_dir() else folder
    return sorted(path.parent for path in at.glob("*/__init__.py") if path.parent.name != "tests")
