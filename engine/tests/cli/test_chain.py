"""Own functions run in this process, core functions through the session."""

from typing import Any

import pytest

from wheelhouse_engine.cli import chain as chain_module
from wheelhouse_engine.cli.chain import ChainRunner, Result, flag_for_files
from wheelhouse_engine.cli.command_line import parse_chain
from wheelhouse_engine.cli.environment import ModuleConfig
from wheelhouse_engine.cli.failures import FunctionError, UsageError
from wheelhouse_engine.cli.project import Project
from wheelhouse_engine.cli.queries import CoreRef
from wheelhouse_engine.cli.signatures import Argument, Function, TypeRef
from wheelhouse_engine.cli.values import Address
from wheelhouse_engine.errors import EngineError

from .conftest import RecordingSession


class Given:
    """Stand for a client object whose id is known without a connection."""

    def __init__(self, digest: str) -> None:
        self.digest = digest

    async def id(self) -> str:
        """Give the id."""
        return self.digest


@pytest.fixture
def run(garden: Project, garden_config: ModuleConfig) -> Any:
    """Give a function that runs words on a session with prepared answers."""

    async def call(*words: str, answers: Any = None, save_to: str = "") -> tuple[Result, list[str]]:
        session = RecordingSession(answers or {})
        chain = parse_chain(words, garden.types, "wheelhouse call")
        result = await ChainRunner(session, garden.types, garden_config).run(chain, save_to)
        return result, session.queries

    return call


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("greet",), "hello world"),
        (("--greeting=hi", "greet", "--name=you"), "hi you"),
        (("path", "--from=here"), "here"),
        (("maybe",), "None"),
        (("maybe", "--word="), "''"),
        (("number", "--a-value=4"), 2.0),
        (("plant", "--name=a", "grow", "--by-cm=90", "measure"), 1.0),
        (("plant", "--name=a", "name"), "a"),
        (("plants", "name"), ["rose", "oak"]),
        (("plants", "grow", "height-cm"), [15, 905]),
        (("nothing",), None),
    ],
)
async def test_own_chains_ask_the_engine_nothing(run, words, expected):
    """Plain Python needs no query."""
    result, queries = await run(*words)

    assert (result.value, queries) == (expected, [])


async def test_enum_arguments_arrive_as_members(run):
    """A module gets members of its own enum."""
    result, _ = await run("seasons", "--seasons=spring,HIGH_SUMMER")

    assert [one.value for one in result.value] == ["spring", "summer"]


async def test_core_steps_are_one_query(run, garden, monkeypatch):
    """The functions behind a core object go to the session together."""
    monkeypatch.setattr(garden.types.own.main, "tree", lambda _self: Given("d1"))
    answers = {"contents": {"node": {"file": {"contents": "A"}}}}

    result, queries = await run("tree", "file", "--path=a.txt", "contents", answers=answers)

    assert result.value == "A"
    assert queries == ['{ node(id: "d1") { ... on Directory { file(path: "a.txt") { contents } } } }']


async def test_a_core_object_at_the_end_is_evaluated(run, garden, monkeypatch):
    """A function that returns a core object makes it real."""
    monkeypatch.setattr(garden.types.own.main, "tree", lambda _self: Given("d1"))

    result, queries = await run("tree", answers={"sync": {"node": {"sync": "d2"}}})

    assert result.value == CoreRef("Directory", "d2")
    assert queries == ['{ node(id: "d1") { ... on Directory { sync } } }']


async def test_a_core_object_is_saved_where_asked(run, garden, monkeypatch):
    """With an output path the object is exported instead."""
    monkeypatch.setattr(garden.types.own.main, "tree", lambda _self: Given("d1"))

    result, queries = await run("tree", answers={"export": {"node": {"export": "/out"}}}, save_to="/out")

    assert result.saved == "/out"
    assert 'export(path: "/out")' in queries[0]


async def test_sync_in_the_middle_changes_nothing(run, garden, monkeypatch):
    """`sync` answers with the same object, so what follows goes on from it."""
    monkeypatch.setattr(garden.types.own.main, "tree", lambda _self: Given("d1"))

    _, queries = await run("tree", "sync", "entries", answers={"entries": {"node": {"entries": []}}})

    assert queries == ['{ node(id: "d1") { ... on Directory { entries } } }']


async def test_an_object_flag_is_checked_before_the_function_runs(run):
    """An address that leads nowhere is told with the flag's name."""
    answers = {"address": EngineError("lstat /no: no such file or directory")}

    with pytest.raises(UsageError) as refused:
        await run("entries", "--dir=/no/such", answers=answers)

    expected = 'failed to get value for argument "dir": lstat /no: no such file or directory'
    assert (str(refused.value), refused.value.path) == (expected, "wheelhouse call entries")


def test_a_flag_for_directories_names_the_one_for_files():
    """Who passes a file to `--data` is told of `--data-file`, where the function has it."""
    folder = Argument("data", "data", TypeRef("object", "Directory"))
    file = Argument("data_file", "data_file", TypeRef("object", "File"))
    both = Function("scan", "scan", TypeRef("void"), arguments=(folder, file))
    alone = Function("scan", "scan", TypeRef("void"), arguments=(folder,))

    assert flag_for_files(both, folder) == "--data-file"
    assert flag_for_files(both, file) == flag_for_files(alone, folder) == ""


async def test_the_default_directory_lies_in_the_module(run, monkeypatch, garden_config):
    """A DefaultPath becomes an address inside the module's context, with its ignore patterns."""
    made: list[Address] = []
    monkeypatch.setattr(chain_module, "core_object", made.append)

    await run("greet")

    assert made == [Address("Directory", str(garden_config.root / "beds"), ("*.log",))]


async def test_a_python_error_is_the_functions(run):
    """What a function raises is told as its own."""
    with pytest.raises(FunctionError, match="my value is wrong"):
        await run("wither")


async def test_a_forgotten_await_is_explained(run):
    """A function that returns a coroutine is told what to change."""
    with pytest.raises(FunctionError, match="returned a coroutine"):
        await run("forgot")


async def test_a_result_of_another_type_is_refused(run, garden, monkeypatch):
    """A function that declares a core object and returns a string is told so."""
    monkeypatch.setattr(garden.types.own.main, "tree", lambda _self: "text")

    with pytest.raises(FunctionError, match="expected a Directory as declared, found str"):
        await run("tree")
