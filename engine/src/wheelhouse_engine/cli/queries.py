"""Write GraphQL for chains of core functions, and read the answers."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from wheelhouse_engine.cli.signatures import FLAG_OBJECTS, ObjectType, TypeRef
from wheelhouse_engine.cli.values import Address, InputValue


class Querier(Protocol):
    """Answer GraphQL queries: the seam to the engine's session."""

    async def query(self, text: str) -> Mapping[str, Any]:
        """Return `data`; raises what the operation failed with."""


@dataclass(frozen=True, slots=True)
class CoreRef:
    """Name a core object by its id."""

    type: str
    id: str


@dataclass(frozen=True, slots=True)
class Enumerator:
    """Hold an enum member, which GraphQL writes without quotes."""

    name: str


@dataclass(frozen=True, slots=True)
class Selection:
    """Ask one field with arguments that are ready to be written."""

    field: str
    arguments: Mapping[str, Any]

    def __str__(self) -> str:
        written = ", ".join(f"{name}: {literal(value)}" for name, value in self.arguments.items())
        return f"{self.field}({written})" if written else self.field


def literal(value: Any) -> str:
    """Write a value as GraphQL does."""
    if isinstance(value, Enumerator):
        return value.name
    if isinstance(value, CoreRef):
        return json.dumps(value.id)
    if isinstance(value, InputValue):
        return "{" + ", ".join(f"{k}: {literal(v)}" for k, v in value.fields.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(literal(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def query_text(start: CoreRef | None, selections: Sequence[Selection]) -> str:
    """Nest the selections, from an object or from the root."""
    text = ""
    for selection in reversed(selections):
        text = f"{selection} {{ {text} }}" if text else str(selection)
    if start is not None:
        text = f"node(id: {literal(start)}) {{ ... on {start.type} {{ {text} }} }}"
    return f"{{ {text} }}"


def unwrap(data: Any, fields: Sequence[str]) -> Any:
    """Follow the fields through the answer; a list on the way gives a list of what follows."""
    if isinstance(data, list):
        return [unwrap(item, fields) for item in data]
    if not fields or data is None:
        return data
    return unwrap(data[fields[0]], fields[1:])


async def ask(session: Querier, start: CoreRef | None, selections: Sequence[Selection]) -> Any:
    """Run one chain of selections and return the last one's answer; raises what it failed with."""
    data = await session.query(query_text(start, selections))
    fields = [selection.field for selection in selections]
    return unwrap(data, fields if start is None else ["node", *fields])


def leaf_selection(held: ObjectType, *, is_list: bool) -> Selection:
    """Choose what makes an object real: `sync` where it has one, else its id."""
    can_sync = any(f.name == "sync" and not f.arguments for f in held.functions)
    return Selection("sync" if can_sync and not is_list else "id", {})


def export_selection(held: ObjectType, path: str) -> Selection | None:
    """Choose what saves an object under an absolute path; None when it cannot be saved."""
    export = next((f for f in held.functions if f.name == "export"), None)
    names = {argument.name for argument in export.arguments} if export else set()
    if "path" not in names:
        return None
    into_folder = {"allowParentDirPath": True} if "allowParentDirPath" in names else {}
    return Selection("export", {"path": path, **into_folder})


def address_selections(address: Address) -> list[Selection]:
    """Choose what turns an address into an object, evaluated where the user should hear of a mistake."""
    if address.type == "CacheVolume":
        return [Selection("cacheVolume", {"key": address.text}), Selection("id", {})]
    exclude = {"exclude": list(address.ignore)} if address.ignore else {}
    leaf = {"Container": "sync", "Directory": "sync", "File": "sync", "Service": "start"}
    return [
        Selection("address", {"value": address.text}),
        Selection(FLAG_OBJECTS[address.type], exclude),
        Selection(leaf.get(address.type, "id"), {}),
    ]


def graphql_value(ref: TypeRef, value: Any) -> Any:
    """Mark enum members, so that they are written without quotes."""
    if ref.kind == "list" and ref.element is not None and isinstance(value, list):
        return [graphql_value(ref.element, item) for item in value]
    return Enumerator(value) if ref.kind == "enum" else value
