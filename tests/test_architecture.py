"""What the structure of the code promises."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import dagger
import pytest

from pipeline.main import Wheelhouse

ROOT = Path(__file__).parents[1]
PIPELINE = ROOT / "pipeline"
GROUPS = ("build", "check", "publish")
ROOMS = sorted(
    [*PIPELINE.glob("*.py"), *(path for name in GROUPS for path in (PIPELINE / name).glob("*.py"))]
)
ENGINE = sorted((PIPELINE / "engine").rglob("*.py"))
TESTS = sorted([*(ROOT / "tests").rglob("test_*.py"), *(ROOT / "app/tests").rglob("test_*.py")])


def imports(path: Path) -> Iterator[str]:
    """Yield the modules that a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize("path", ROOMS, ids=lambda path: str(path.relative_to(PIPELINE)))
def test_no_room_imports_the_engine(path: Path) -> None:
    """A room that needs the embedded engine would fail on a real one."""
    assert not [name for name in imports(path) if name.startswith("pipeline.engine")]


@pytest.mark.parametrize("path", ROOMS, ids=lambda path: str(path.relative_to(PIPELINE)))
def test_no_room_lets_a_group_of_errors_out(path: Path) -> None:
    """Dagger shows "unhandled errors in a TaskGroup" for one; `task_group` raises the error in it."""
    assert path.name == "tasks.py" or not re.search(r"create_task_group|TaskGroup", path.read_text())


@pytest.mark.parametrize("path", ROOMS, ids=lambda path: str(path.relative_to(PIPELINE)))
def test_no_room_asks_what_a_module_cannot_see(path: Path) -> None:
    """Dagger hides `engine` and `host` from modules: their client has neither."""
    assert not re.search(r"\bdag\.(engine|host)\(", path.read_text())


@pytest.mark.parametrize("path", ROOMS, ids=lambda path: str(path.relative_to(PIPELINE)))
def test_no_room_sets_times_through_links(path: Path) -> None:
    """`withTimestamps` follows links, out of the tree, too; tree_times.py fixes times in place."""
    assert "with_timestamps" not in path.read_text()


@pytest.mark.parametrize("path", ROOMS, ids=lambda path: str(path.relative_to(PIPELINE)))
def test_archives_are_written_in_one_room(path: Path) -> None:
    """Two archives of one image at once fail on a Dagger engine; archives.py writes them in turn."""
    assert path.name == "archives.py" or "as_tarball" not in path.read_text()


@pytest.mark.parametrize("path", ENGINE, ids=lambda path: str(path.relative_to(PIPELINE)))
def test_engine_imports_no_room(path: Path) -> None:
    """The engine runs any module, so it knows none."""
    rooms = {".".join(room.relative_to(ROOT).with_suffix("").parts) for room in ROOMS}
    rooms -= {"pipeline.__init__"}

    assert "pipeline.build.lock" in rooms
    assert not [name for name in imports(path) if name in rooms]


def test_stages_show_the_way_of_the_data() -> None:
    """Line 1 of the stage rooms tells the order of the stages, each once or in two halves."""
    first = [path.read_text().splitlines()[0] for path in ROOMS if path.read_text()]
    stages = sorted(found.group(1) for line in first if (found := re.match(r'"""Stage (\d)\w? of 8: ', line)))

    assert stages[0] == "1"
    assert set(stages) >= {"1", "2", "3", "4", "5", "6", "8"}


def test_no_function_is_named_like_one_of_the_api() -> None:
    """A main object's `secret` or `directory` stands before Dagger's own, and breaks every such argument."""
    functions = {name for name in vars(Wheelhouse) if not name.startswith("_")}

    assert {"build", "publish"} <= functions
    assert not functions & set(dir(dagger.Client))


def test_engine_is_left_out_of_the_module() -> None:
    """A real engine never loads the embedded one, the service or the tests."""
    text = (ROOT / "dagger.json").read_text()

    assert all(f'"!{name}"' in text for name in ("app/*/**", "tests", "pipeline/engine"))


@pytest.mark.parametrize("path", [*ROOMS, *ENGINE], ids=lambda path: str(path.relative_to(ROOT)))
def test_files_stay_readable(path: Path) -> None:
    """No file is longer than 300 lines: one idea each; only the table of contents may be."""
    limit = 400 if path == PIPELINE / "main.py" else 300

    assert len(path.read_text().splitlines()) <= limit


def expecting_nothing(path: Path) -> list[str]:
    """Return the tests of a file that neither assert nor expect an exception or a warning."""
    tests = [
        node
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    ]
    expecting = ("pytest.raises", "pytest.warns")
    return [
        test.name
        for test in tests
        if not any(
            isinstance(node, ast.Assert)
            or (isinstance(node, ast.Call) and ast.unparse(node.func) in expecting)
            for node in ast.walk(test)
        )
    ]


def test_every_test_says_what_it_expects(tmp_path: Path) -> None:
    """A test that only runs something passes whatever that did."""
    (tmp_path / "test_x.py").write_text("def test_a(): run()\nasync def test_b(): assert run()\n")

    assert expecting_nothing(tmp_path / "test_x.py") == ["test_a"]
    assert {path.name: found for path in TESTS if (found := expecting_nothing(path))} == {}


def test_repository_names_no_package_index() -> None:
    """Host names of package indexes and hubs would tie the repository to one network."""
    hosts = re.compile(
        "pypi" + r"\.org|files\." + "pythonhosted" + r"|deb\." + "debian" + r"\.org|registry\." + "npmjs"
    )
    suspects = [
        p for p in ROOT.rglob("*") if p.is_file() and p.suffix in {".py", ".txt", ".toml", ".md", ".yml", ""}
    ]
    tracked = [
        p for p in suspects if not {".git", ".venv", "out", "node_modules"} & set(p.relative_to(ROOT).parts)
    ]
    naming = [
        p for p in tracked if p.stat().st_size < 2_000_000 and hosts.search(p.read_text(errors="replace"))
    ]

    assert naming == []
