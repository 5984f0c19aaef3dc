"""Chains of core functions become one GraphQL query."""

import pytest

from wheelhouse_engine.cli.queries import (
    CoreRef,
    Enumerator,
    Selection,
    address_selections,
    ask,
    export_selection,
    leaf_selection,
    literal,
    query_text,
    unwrap,
)
from wheelhouse_engine.cli.signatures import Argument, Function, ObjectType, TypeRef
from wheelhouse_engine.cli.values import Address, InputValue

from .conftest import RecordingSession


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ('a "quote"\nand é', '"a \\"quote\\"\\nand é"'),
        (True, "true"),
        (None, "null"),
        (1.5, "1.5"),
        ([1, "a"], '[1, "a"]'),
        (Enumerator("ANY"), "ANY"),
        (CoreRef("File", "abc"), '"abc"'),
        (InputValue("BuildArg", {"name": "a", "value": "b"}), '{name: "a", value: "b"}'),
    ],
)
def test_values_are_written_as_graphql(value, written):
    """Each kind of value has one spelling."""
    assert written == literal(value)


def test_selections_nest_from_a_node():
    """An object is reloaded by its id, then the fields nest."""
    text = query_text(
        CoreRef("Container", "x"), [Selection("withExec", {"args": ["a"]}), Selection("stdout", {})]
    )

    assert text == '{ node(id: "x") { ... on Container { withExec(args: ["a"]) { stdout } } } }'


def test_answers_are_unwrapped_through_lists():
    """A list on the way gives a list of what follows; null ends it."""
    assert unwrap({"ports": [{"port": 1}, {"port": 2}]}, ["ports", "port"]) == [1, 2]
    assert unwrap({"a": None}, ["a", "b"]) is None


async def test_a_query_is_asked_once():
    """One chain is one query."""
    session = RecordingSession({"stdout": {"node": {"stdout": "out"}}})

    assert await ask(session, CoreRef("Container", "x"), [Selection("stdout", {})]) == "out"
    assert len(session.queries) == 1


@pytest.mark.parametrize(
    ("address", "text"),
    [
        (
            Address("Directory", "./d", ("*.log",)),
            '{ address(value: "./d") { directory(exclude: ["*.log"]) { sync } } }',
        ),
        (Address("Secret", "env://T"), '{ address(value: "env://T") { secret { id } } }'),
        (Address("Service", "tcp://h:1"), '{ address(value: "tcp://h:1") { service { start } } }'),
        (Address("CacheVolume", "pip"), '{ cacheVolume(key: "pip") { id } }'),
    ],
)
def test_addresses_become_objects_through_the_api(address, text):
    """Every object flag uses the call that Dagger's own command line makes; secrets stay unread."""
    assert text == query_text(None, address_selections(address))


def held(*functions: Function) -> ObjectType:
    """Make an object type with some functions."""
    return ObjectType("Thing", functions)


def test_sync_makes_an_object_real():
    """An object with an argument-less sync is evaluated, another only named."""
    sync = Function("sync", "sync", TypeRef("object", "Thing"))

    assert leaf_selection(held(sync), is_list=False).field == "sync"
    assert leaf_selection(held(), is_list=False).field == "id"
    assert leaf_selection(held(sync), is_list=True).field == "id"


def test_a_file_may_be_saved_into_a_folder():
    """Only objects with `export(path)` can be saved; a file goes into an existing folder."""
    path, parent = (Argument(n, n, TypeRef("string")) for n in ("path", "allowParentDirPath"))
    export = Function("export", "export", TypeRef("string"), arguments=(path, parent))

    saved = export_selection(held(export), "/out")

    assert str(saved) == 'export(path: "/out", allowParentDirPath: true)'
    assert export_selection(held(), "/out") is None
