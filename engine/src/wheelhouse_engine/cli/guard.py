"""Decide what a fetched module may ask the session: of this machine, only what the user typed."""

import asyncio
import contextlib
import itertools
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLError,
    GraphQLSchema,
    StringValueNode,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    get_named_type,
    visit,
)

from wheelhouse_engine.cli.hiding import HIDDEN
from wheelhouse_engine.documents import parse
from wheelhouse_engine.graph import CALLER
from wheelhouse_engine.listening import Answer, listen
from wheelhouse_engine.ops.git import REMOTE

if TYPE_CHECKING:
    from wheelhouse_engine.session import Session

TYPED: Final = {"Query.address": "value", "Query.secret": "uri"}
"""Fields that read this machine, and the argument that says what."""
WRITES: Final = ("export", "exportImage")
DENIED: Final = frozenset({"CurrentModule.workdir", "CurrentModule.workdirFile", "Service.up"})
TERMINAL: Final = "terminal"
_WEB: Final = re.compile(r"(?:https?|git|ssh)://")


@dataclass(frozen=True, slots=True)
class Guard:
    """What the user typed, which is all that a fetched module may read and write here."""

    words: frozenset[str]
    """Values on the command line."""
    outputs: frozenset[str]
    """Absolute paths given by `-o`."""
    module: Path
    """The module's repository, which default paths lead into."""

    @classmethod
    def of(cls, words: Sequence[str], workdir: Path, module: Path) -> "Guard":
        """Read a command line."""
        values = {word.partition("=")[2] if word.startswith("-") and "=" in word else word for word in words}
        values |= {part for value in values for part in value.split(",")}
        outputs = [
            word.partition("=")[2] if word.startswith(("-o=", "--output=")) else word.removeprefix("-o")
            for word in words
            if word.startswith(("-o", "--output="))
        ]
        outputs += [after for word, after in itertools.pairwise(words) if word in ("-o", "--output")]
        paths = {str((workdir / one).absolute()) for one in outputs if one}
        return cls(frozenset(values), frozenset(paths), module.resolve())

    def refusal(self, document: DocumentNode, schema: GraphQLSchema) -> str:
        """Return why a document is not answered; "" where it is."""
        info = TypeInfo(schema)
        found = _Refusals(self, info)
        visit(document, TypeInfoVisitor(info, found))
        return found.first

    def allows_reading(self, text: str, field: FieldNode) -> bool:
        """Tell whether a module may ask for an address."""
        if text in self.words or (_WEB.match(text) and text not in self.outputs):
            return True
        selected = field.selection_set.selections if field.selection_set else ()
        if selected and all(isinstance(one, FieldNode) and one.name.value == "container" for one in selected):
            return True
        return Path(text).is_absolute() and Path(text).resolve().is_relative_to(self.module)


class _Refusals(Visitor):
    """Look for the first field that a fetched module may not ask for."""

    def __init__(self, guard: Guard, info: TypeInfo) -> None:
        super().__init__()
        self.guard, self.info, self.first = guard, info, ""

    def enter_field(self, node: FieldNode, *_: Any) -> None:
        """Judge one field."""
        parent = self.info.get_parent_type()
        if parent is None:
            return
        name, field = f"{parent.name}.{node.name.value}", node.name.value
        returned = self.info.get_type()
        hidden = returned is not None and get_named_type(returned).name in HIDDEN
        if hidden or name in DENIED or field == TERMINAL:
            self._refuse(f"{name} is not available to a fetched module")
        elif field in WRITES and self._text(node, "path") not in self.guard.outputs:
            self._refuse(f"{name}: a fetched module writes only what -o names")
        elif name in TYPED and not self._readable(node, TYPED[name]):
            self._refuse(f"{name}: a fetched module reads only what the command line names")
        elif name == "Query.git" and not REMOTE.match(self._text(node, "url") or "/"):
            self._refuse(f"{name}: a fetched module reads only remote repositories")

    def _readable(self, node: FieldNode, argument: str) -> bool:
        text = self._text(node, argument)
        return text is not None and self.guard.allows_reading(text, node)

    def _refuse(self, why: str) -> None:
        self.first = self.first or why

    @staticmethod
    def _text(node: FieldNode, argument: str) -> str | None:
        """Return an argument that is written out; None for one that is not."""
        value = next((one.value for one in node.arguments or () if one.name.value == argument), None)
        return value.value if isinstance(value, StringValueNode) else None


@contextlib.asynccontextmanager
async def guarded(
    session: "Session", guard: Guard, caller: Path | None = None
) -> AsyncIterator[Mapping[str, str]]:
    """Serve a session to what it does not trust; give the variables by which a client finds it.

    `caller` is its folder where it is not the session's own module.
    """

    async def answer(text: str) -> Answer:
        CALLER.set(caller)
        try:
            refused = await asyncio.to_thread(guard.refusal, parse(text), session.schema)
        except (GraphQLError, RecursionError) as error:
            refused = str(error)
        if refused:
            return {"data": None, "errors": [{"message": refused}]}
        return await session.answer(text)

    async with listen(answer) as (port, token):
        yield {"DAGGER_SESSION_PORT": str(port), "DAGGER_SESSION_TOKEN": token}
