"""JSONValue: build and take apart a JSON document."""

import json
from typing import Any

from wheelhouse_engine.engine import Engine
from wheelhouse_engine.errors import EngineError
from wheelhouse_engine.graph import Op
from wheelhouse_engine.handlers import operation
from wheelhouse_engine.ops.values import many
from wheelhouse_engine.states import FileState


def decode(text: str) -> Any:
    """Read JSON; raises EngineError with the place where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise EngineError(f"not a JSON document: {error}") from error


async def _document(engine: Engine, op: Op) -> Any:
    return await engine.parent(op)


@operation("Query.json")
async def json_(_engine: Engine, _op: Op) -> None:
    """Start with null."""


@operation("File.asJSON")
async def as_json(engine: Engine, op: Op) -> Any:
    """Read a file as JSON."""
    source: FileState = await engine.parent(op)
    return decode((await engine.path_of(source)).read_text(errors="replace"))


@operation("JSONValue.withContents")
async def with_contents(_engine: Engine, op: Op) -> Any:
    """Replace the document by a text."""
    return decode(op.args["contents"])


@operation("JSONValue.newString", "JSONValue.newInteger", "JSONValue.newBoolean")
async def new(_engine: Engine, op: Op) -> Any:
    """Replace the document by one value."""
    return op.args["value"]


@operation("JSONValue.contents")
async def contents(engine: Engine, op: Op) -> str:
    """Return the document as text; names are sorted."""
    document = await _document(engine, op)
    if op.args.get("pretty"):
        return json.dumps(document, indent=op.args.get("indent", "  "), sort_keys=True, ensure_ascii=False)
    return json.dumps(document, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


@operation("JSONValue.field")
async def field(engine: Engine, op: Op) -> Any:
    """Return what is at a path of names; raises EngineError where the path ends early."""
    document = await _document(engine, op)
    for name in op.args["path"]:
        if not isinstance(document, dict) or name not in document:
            raise EngineError(f"field {'.'.join(op.args['path'])}: {name!r} was not found")
        document = document[name]
    return document


@operation("JSONValue.withField")
async def with_field(engine: Engine, op: Op) -> Any:
    """Set what is at a path of names; objects on the way are made."""
    document, value = await _document(engine, op), await engine.evaluate(op.args["value"])
    return _placed(document, op.args["path"], value)


def _placed(document: Any, path: list[str], value: Any) -> Any:
    if not path:
        return value
    if document is not None and not isinstance(document, dict):
        raise EngineError(f"field {path[0]!r}: expected an object, found {type(document).__name__}")
    held = document or {}
    return {**held, path[0]: _placed(held.get(path[0]), path[1:], value)}


@operation("JSONValue.fields")
async def fields(engine: Engine, op: Op) -> list[str]:
    """List the names of an object, sorted."""
    return sorted(_expected(await _document(engine, op), dict, "an object"))


@operation("JSONValue.asArray")
async def as_array(engine: Engine, op: Op) -> list[Op]:
    """Return the elements of an array."""
    return many(engine, op, _expected(await _document(engine, op), list, "an array"))


@operation("JSONValue.asString", "JSONValue.asInteger", "JSONValue.asBoolean")
async def scalar(engine: Engine, op: Op) -> Any:
    """Return a string, a whole number or a truth value."""
    kind, spelled = {
        "asString": (str, "a string"),
        "asInteger": (int, "an integer"),
        "asBoolean": (bool, "a boolean"),
    }[op.field]
    document = await _document(engine, op)
    if kind is int and isinstance(document, bool):
        raise EngineError("expected an integer, found bool")
    return _expected(document, kind, spelled)


def _expected(document: Any, kind: type, spelled: str) -> Any:
    if not isinstance(document, kind):
        raise EngineError(f"expected {spelled}, found {type(document).__name__}")
    return document
