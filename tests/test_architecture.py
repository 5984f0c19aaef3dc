"""What the structure of the code promises."""

import ast
import re
import tomllib
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import dagger
import pytest

from pipeline.main import Wheelhouse

ROOT = Path(__file__).parents[1]
PIPELINE = ROOT / "pipeline"
GROUPS = ("build", "check", "publish")
FUNCTIONS = ("arguments", "dagger_checks", "main", "publish_functions", "settings")
ROOMS = sorted(
    [*PIPELINE.glob("*.py"), *(path for name in GROUPS for path in (PIPELINE / name).glob("*.py"))]
)
ENGINE_ONLY = {"click", "graphql-core", "rich", "starlette", "tenacity", "uvicorn", "wheelhouse-engine"}
ENGINE = sorted((ROOT / "engine/src").rglob("*.py"))
TESTS = sorted(
    path for name in ("tests", "app/tests", "engine/tests") for path in (ROOT / name).rglob("test_*.py")
)


def imports(path: Path) -> Iterator[str]:
    """Yield the modules that a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize(
    ("folder", "other"),
    [("pipeline", "wheelhouse_engine"), ("engine/src", "pipeline"), ("engine/tests", "pipeline")],
)
def test_neither_project_imports_the_other(folder: str, other: str) -> None:
    """The module runs on any Dagger engine, and the engine runs any module."""
    files = list((ROOT / folder).rglob("*.py"))

    assert files
    assert not [path for path in files for name in imports(path) if name.partition(".")[0] == other]


def test_the_module_does_not_depend_on_the_engine() -> None:
    """A Dagger engine installs what the root's pyproject.toml names."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert not {"scripts", "optional-dependencies"} & set(project)
    assert not ENGINE_ONLY & set(project["dependencies"])


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


def rank(module: str) -> int:
    """Return how far up a module is: functions, publish, check, build, and what all of them use."""
    group, leaf = module.split(".")[1:2], module.rpartition(".")[2]
    if group in (["build"], ["check"], ["publish"]):
        return 1 + GROUPS.index(group[0])
    return len(GROUPS) + 1 if leaf in FUNCTIONS else 0


def module_name(path: Path, root: Path = ROOT) -> str:
    """Return the dotted name of a file."""
    return ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")


def import_graph(paths: list[Path], root: Path = ROOT) -> dict[str, set[str]]:
    """Return the modules that each file imports, by dotted names; those of type checkers count as well."""
    known = {module_name(path, root) for path in paths}
    graph: dict[str, set[str]] = {}
    for path in paths:
        nodes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)]
        names = {f"{node.module}.{alias.name}" for node in nodes for alias in node.names}
        names |= {node.module for node in nodes if node.module}
        graph[module_name(path, root)] = (names & known) - {module_name(path, root)}
    return graph


def circle(graph: dict[str, set[str]]) -> list[str]:
    """Return the modules of a circle of imports; empty where there is none."""
    try:
        list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        return list(error.args[1])
    return []


def upward(graph: dict[str, set[str]]) -> list[str]:
    """Return the imports that go up: `build` of `check`, `check` of `publish`, any of them of `main`."""
    return [f"{one} -> {two}" for one, found in graph.items() for two in found if rank(two) > rank(one)]


def test_imports_go_one_way() -> None:
    """The functions import publish, check and build; nothing imports a module above it."""
    graph = import_graph(ROOMS)

    assert graph["pipeline.publish.push"] >= {"pipeline.build.stages"}
    assert upward(graph) == []
    assert upward(
        {"pipeline.build.image": {"pipeline.check.tests"}, "pipeline.errors": {"pipeline.main"}}
    ) == [
        "pipeline.build.image -> pipeline.check.tests",
        "pipeline.errors -> pipeline.main",
    ]


def test_no_circle_of_imports(tmp_path: Path) -> None:
    """Two modules that need each other are one idea in two files, or one of them asks upward."""
    (tmp_path / "pipeline").mkdir()
    for name, other in (("a", "b"), ("b", "a")):
        (tmp_path / f"pipeline/{name}.py").write_text(f"from pipeline.{other} import x\n")
    looped = import_graph(sorted(tmp_path.rglob("*.py")), tmp_path)

    assert set(circle(looped)) == {"pipeline.a", "pipeline.b"}
    assert circle(import_graph(ROOMS)) == []


def test_stages_stand_in_their_order() -> None:
    """`build_image` reads like the way of the data: lock, models, environment, application, image."""
    body = (PIPELINE / "build/stages.py").read_text().partition("async def build_image")[2]
    names = ("locked(", "built_models(", "base_with_environment(", "application_layer(", "runtime_image(")

    assert sorted(names, key=body.index) == list(names)


READERS = {
    r'["\']index\.json["\']': {"lib/oci_archive.py", "oci/content.py", "oci/normalise.py"},
    r"\.wh\.": {"lib/oci_archive.py", "oci/trees.py"},
    r"--hash=sha256:\(": {"lib/requirement_lock.py"},
    r"\^?(Status|Package): ": {"lib/deb822.py"},
}
"""What a reader of a format looks for -> the programs that may: the reader itself, and those that write."""


def second_readers(root: Path) -> dict[str, set[str]]:
    """Return the programs that read a format by themselves, by what they look for."""
    texts = {str(path.relative_to(root)): path.read_text() for path in root.rglob("*.py")}
    found = {
        mark: {name for name, text in texts.items() if re.search(mark, text)} - readers
        for mark, readers in READERS.items()
    }
    return {mark: names for mark, names in found.items() if names}


def test_a_format_has_one_reader(tmp_path: Path) -> None:
    """OCI archives, whiteouts, requirement locks and Debian's records are read in programs/lib."""
    (tmp_path / "own.py").write_text('HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")\n')

    assert list(second_readers(tmp_path).values()) == [{"own.py"}]
    assert second_readers(PIPELINE / "programs") == {}


def test_no_function_is_named_like_one_of_the_api() -> None:
    """A main object's `secret` or `directory` stands before Dagger's own, and breaks every such argument."""
    functions = {name for name in dir(Wheelhouse) if not name.startswith("_")}

    assert {"build", "publish"} <= functions
    assert not functions & set(dir(dagger.Client))


def test_engine_is_left_out_of_the_module() -> None:
    """A real engine never loads the embedded one, the service or the tests."""
    text = (ROOT / "dagger.json").read_text()

    assert all(f'"!{name}"' in text for name in ("app/*/**", "tests", "engine"))


@pytest.mark.parametrize("path", [*ROOMS, *ENGINE], ids=lambda path: str(path.relative_to(ROOT)))
def test_files_stay_readable(path: Path) -> None:
    """No file is longer than 300 lines, and the table of contents than 200."""
    limit = 200 if path == PIPELINE / "main.py" else 300

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
