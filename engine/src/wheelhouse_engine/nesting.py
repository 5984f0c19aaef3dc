"""Answer processes with nesting: their machine is their container, never the caller's.

On a Dagger engine such a process reads and writes its own container through `host`, addresses, secrets and
exports. Here they would reach the caller's machine, so they are refused.
"""

import asyncio
import re
from typing import Any, Final

from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLError,
    GraphQLSchema,
    StringValueNode,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    visit,
)

from wheelhouse_engine.documents import parse

MACHINE: Final = frozenset(
    {"Query.host", "Query.engine", "Query.secret", "Service.up", "CurrentModule.workdir"}
)
"""Fields that read or write a machine."""
EXPORTS: Final = frozenset({"export", "exportImage", "terminal", "workdirFile"})
ADDRESSED: Final = {"Query.address": "value", "Query.git": "url"}
_ELSEWHERE: Final = re.compile(r"(?:https?|git|ssh)://|git@")
SENTENCE: Final = (
    "the machine of a process with nesting is its container, which only a Dagger engine reads and writes. "
    "Give the container what it needs as a file, a directory or a secret."
)


async def refusal(text: str, schema: GraphQLSchema) -> str:
    """Return why a process with nesting gets no answer; "" where it gets one."""
    try:
        return await asyncio.to_thread(_refused, parse(text), schema)
    except (GraphQLError, RecursionError) as error:
        return str(error)


def _refused(document: DocumentNode, schema: GraphQLSchema) -> str:
    info = TypeInfo(schema)
    found = _Fields(info)
    visit(document, TypeInfoVisitor(info, found))
    return found.first


class _Fields(Visitor):
    """Look for the first field that reaches a machine."""

    def __init__(self, info: TypeInfo) -> None:
        super().__init__()
        self.info, self.first = info, ""

    def enter_field(self, node: FieldNode, *_: Any) -> None:
        """Judge one field."""
        parent = self.info.get_parent_type()
        name = f"{parent.name if parent else ''}.{node.name.value}"
        local = (
            name in ADDRESSED and not _ELSEWHERE.match(_text(node, ADDRESSED[name])) and not _is_image(node)
        )
        if not self.first and (local or name in MACHINE or node.name.value in EXPORTS):
            self.first = f"{name}: {SENTENCE}"


def _text(node: FieldNode, argument: str) -> str:
    value = next((one.value for one in node.arguments or () if one.name.value == argument), None)
    return value.value if isinstance(value, StringValueNode) else ""


def _is_image(node: FieldNode) -> bool:
    """Tell an address of which only the image is asked for."""
    selected = node.selection_set.selections if node.selection_set else ()
    return bool(selected) and all(
        isinstance(one, FieldNode) and one.name.value == "container" for one in selected
    )
