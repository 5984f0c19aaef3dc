"""Read what a project depends on, whatever tool keeps it, as `[project]` says it."""

import ast
import configparser
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any, Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from init.facts import Guess, Project
from init.requirement_lines import read_requirements

FILES: Final = ("requirements.txt", "requirements/base.txt", "requirements/prod.txt", "requirements.in")
TEST_FILES: Final = (
    *("requirements-test.txt", "requirements-dev.txt", "test-requirements.txt", "dev-requirements.txt"),
    *("requirements/test.txt", "requirements/dev.txt", "requirements_dev.txt"),
)
TOOLS_OF_DEVELOPERS: Final = frozenset(
    {
        "autopep8",
        "bandit",
        "black",
        "build",
        "bumpversion",
        "commitizen",
        "flake8",
        "ipdb",
        "ipython",
        "isort",
        "jupyter",
        "mkdocs",
        "mypy",
        "notebook",
        "pip-tools",
        "pre-commit",
        "pyright",
        "pylint",
        "ruff",
        "sphinx",
        "tox",
        "twine",
        "wheel",
    }
)
PACKAGES: Final = "/opt/packages/bin"
MIGRATION: Final = ("--skip-lock", "--skip-uv-checks", "--keep-current-build-backend", "--quiet")
KEPT_KEYS: Final = ("scripts", "optional-dependencies", "urls", "license")


def read_project(root: Path) -> Project:
    """Return the project of a folder from the first file that declares its dependencies."""
    text = (root / "pyproject.toml").read_text("utf-8") if (root / "pyproject.toml").is_file() else ""
    tables = tomllib.loads(text)
    tool = tables.get("tool", {})
    if "project" in tables:
        return _standard(tables)
    if "poetry" in tool:
        return _migrated(root, "poetry", "pyproject.toml")
    if (root / "Pipfile").is_file():
        return _migrated(root, "pipenv", "Pipfile")
    project = _setup_files(root)
    if not project.dependencies:
        _from_requirements(root, project)
    _tests(root, project)
    return project


def names_of(lines: list[str]) -> dict[str, Requirement]:
    """Return the requirements by their normalised name."""
    return {canonicalize_name(found.name): found for found in map(Requirement, lines)}


def _standard(tables: dict[str, Any]) -> Project:
    table = tables["project"]
    tests = [line for line in tables.get("dependency-groups", {}).get("test", []) if isinstance(line, str)]
    return Project(
        complete=True,
        name=str(table.get("name", "")),
        requires_python=str(table.get("requires-python", "")),
        dependencies=[str(line) for line in table.get("dependencies", [])],
        tests=tests,
        tables={key: table[key] for key in KEPT_KEYS if key in table},
    )


def _migrated(root: Path, manager: str, source: str) -> Project:
    """Return the project as migrate-to-uv translates it."""
    places = f"{Path(sys.executable).parent}:{PACKAGES}"
    program = shutil.which("migrate-to-uv", path=places) or "migrate-to-uv"
    with tempfile.TemporaryDirectory() as folder:
        for name in ("pyproject.toml", "poetry.lock", "Pipfile", "Pipfile.lock"):
            if (root / name).is_file():
                shutil.copyfile(root / name, Path(folder, name))
        command = [program, *MIGRATION, "--package-manager", manager, folder]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            reason = " ".join((done.stderr or done.stdout).split())
            sentence = (
                f"{source}: {reason}; expected a file that {manager} accepts. Fix it, or write [project]."
            )
            raise SystemExit(sentence)
        tables = tomllib.loads(Path(folder, "pyproject.toml").read_text("utf-8"))
    table, uv = tables["project"], tables.get("tool", {}).get("uv", {})
    groups = tables.get("dependency-groups", {})
    found = [line for lines in groups.values() for line in lines if isinstance(line, str)]
    return Project(
        name=str(table.get("name", "")),
        version=str(table.get("version", "")),
        description=str(table.get("description", "")),
        requires_python=_plain(str(table.get("requires-python", ""))),
        dependencies=[_by_source(line, uv.get("sources", {})) for line in table.get("dependencies", [])],
        tests=_of_tests(found),
        tables={key: table[key] for key in KEPT_KEYS if key in table},
        indexes=[index["url"] for index in uv.get("index", [])] if manager == "poetry" else [],
        guesses=[Guess(key="project", place=source, why=f"translated from {manager} by migrate-to-uv")],
    )


def _plain(specifier: str) -> str:
    """Return `>=X.Y` for `~=X.Y`, which Pipfile's exact version becomes."""
    return specifier.replace("~=", ">=") if re.fullmatch(r"~=3\.\d+", specifier) else specifier


def _by_source(line: str, sources: dict[str, Any]) -> str:
    """Return a requirement with the repository or URL that uv keeps apart from it."""
    requirement = Requirement(line)
    source = sources.get(requirement.name, {})
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    if url := source.get("git"):
        revision = source.get("rev") or source.get("tag") or source.get("branch") or ""
        return f"{requirement.name}{extras} @ git+{url}" + (f"@{revision}" if revision else "")
    return f"{requirement.name}{extras} @ {source['url']}" if "url" in source else line


def _setup_files(root: Path) -> Project:
    project = Project()
    if (root / "setup.cfg").is_file():
        parser = configparser.ConfigParser(interpolation=None)
        parser.read(root / "setup.cfg", encoding="utf-8")
        metadata = dict(parser["metadata"]) if parser.has_section("metadata") else {}
        options = dict(parser["options"]) if parser.has_section("options") else {}
        project.name = metadata.get("name", "")
        project.version = metadata.get("version", "")
        project.description = metadata.get("description", "")
        project.requires_python = options.get("python_requires", "")
        lines = options.get("install_requires", "").splitlines()
        project.dependencies = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
        if project.dependencies:
            project.guesses.append(Guess(key="dependencies", place="setup.cfg", why="install_requires"))
    if (root / "setup.py").is_file():
        _setup_call(root / "setup.py", project)
    if not re.match(r"^\d", project.version):
        project.version = ""
    return project


def _setup_call(path: Path, project: Project) -> None:
    """Add what the call of `setup` says in literals."""
    tree = ast.parse(path.read_bytes())
    names = {
        node.targets[0].id: node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    call = next((node for node in calls if "setup" in ast.unparse(node.func).split(".")), None)
    for keyword in call.keywords if call else ():
        value = (
            names.get(keyword.value.id, keyword.value)
            if isinstance(keyword.value, ast.Name)
            else keyword.value
        )
        try:
            literal = ast.literal_eval(value)
        except ValueError:
            continue
        if keyword.arg in {"name", "version", "description"}:
            setattr(project, keyword.arg, getattr(project, keyword.arg) or str(literal))
        elif keyword.arg == "python_requires":
            project.requires_python = project.requires_python or str(literal)
        elif keyword.arg == "install_requires" and not project.dependencies:
            project.dependencies = [str(line) for line in literal]
            place = f"setup.py:{keyword.value.lineno}"
            project.guesses.append(Guess(key="dependencies", place=place, why="install_requires"))


def _from_requirements(root: Path, project: Project) -> None:
    name = next((name for name in FILES if (root / name).is_file()), "")
    if not name:
        return
    found = read_requirements(root, name)
    project.dependencies = found.lines
    project.indexes = found.indexes
    project.guesses.append(Guess(key="dependencies", place=name, why=f"{len(found.lines)} requirements"))
    project.guesses += found.remarks
    for folder in found.folders:
        _local_project(root, folder, project)


def _local_project(root: Path, folder: str, project: Project) -> None:
    """Add what a project in a folder of the source depends on; its code comes by `packages`."""
    if folder == "." or not (root / folder).is_dir():
        return
    known = names_of(project.dependencies)
    for line in read_project(root / folder).dependencies:
        if canonicalize_name(Requirement(line).name) not in known:
            project.dependencies.append(line)
            project.guesses.append(
                Guess(key="dependencies", place=folder, why=f"{line}, which it depends on")
            )


def _tests(root: Path, project: Project) -> None:
    name = next((name for name in TEST_FILES if (root / name).is_file()), "")
    if not name:
        return
    known = set(project.dependencies)
    project.tests = _of_tests([line for line in read_requirements(root, name).lines if line not in known])
    why = f"{len(project.tests)} requirements of tests, linters left out"
    project.guesses.append(Guess(key="dependency-groups.test", place=name, why=why))


def _of_tests(lines: list[str]) -> list[str]:
    """Return the requirements without tools that no test imports."""
    chosen = [line for line in lines if canonicalize_name(Requirement(line).name) not in TOOLS_OF_DEVELOPERS]
    return chosen if any(Requirement(line).name.startswith("pytest") for line in chosen) else []
