"""Serve the functions of dependencies in a session."""

import contextlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from wheelhouse_engine.cli.dependencies import Dependencies, Dependency
from wheelhouse_engine.cli.description import DescribedFunction
from wheelhouse_engine.cli.guard import Guard, guarded
from wheelhouse_engine.cli.module_process import ModuleCall, repository_of, run
from wheelhouse_engine.cli.names import camel
from wheelhouse_engine.graph import CALLER, Op
from wheelhouse_engine.listening import Answer, listen

if TYPE_CHECKING:
    from wheelhouse_engine.engine import Engine
    from wheelhouse_engine.session import Session


@dataclass(frozen=True, slots=True)
class OwnObject:
    """An object of a dependency: its fields, as its SDK writes them."""

    fields: Mapping[str, Any]


@contextlib.asynccontextmanager
async def served(session: "Session", dependencies: Dependencies) -> AsyncIterator[None]:
    """Answer the fields of dependencies until the block ends."""
    async with contextlib.AsyncExitStack() as stack:
        for one in dependencies.all():
            door = await stack.enter_async_context(_door(session, one))
            _Server(session, one, door).register()
        yield


@contextlib.asynccontextmanager
async def _door(session: "Session", dependency: Dependency) -> AsyncIterator[Mapping[str, str]]:
    """Serve the session to a dependency, in which it is the current module."""
    root = dependency.place.config.root

    async def answer(text: str) -> Answer:
        CALLER.set(root)
        return await session.answer(text)

    if dependency.place.is_fetched:
        guard = Guard(frozenset(), frozenset(), repository_of(root).resolve())
        async with guarded(session, guard, root) as door:
            yield door
        return
    async with listen(answer) as (port, token):
        yield {"DAGGER_SESSION_PORT": str(port), "DAGGER_SESSION_TOKEN": token}


@dataclass(frozen=True, slots=True)
class _Server:
    """Evaluates the fields of one dependency."""

    session: "Session"
    dependency: Dependency
    door: Mapping[str, str]
    handlers: dict[str, Any] = field(default_factory=dict)

    def register(self) -> None:
        """Let the session's engine know the fields."""
        described, handlers = self.dependency.description, self.session.engine.handlers
        constructor = partial(self._call, described.main, "", described.constructor)
        handlers[f"Query.{camel(self.dependency.name)}"] = constructor
        for name, held in described.objects.items():
            for gql, function in held.functions.items():
                answer = self._field if function.is_field else partial(self._call, name, gql)
                handlers[f"{name}.{gql}"] = partial(answer, function)

    async def _field(self, function: DescribedFunction, _engine: "Engine", op: Op) -> Any:
        return await self._value(function.type, (await self._parent(op)).get(function.name), op)

    async def _call(self, kind: str, gql: str, function: DescribedFunction, _engine: "Engine", op: Op) -> Any:
        state = await self._parent(op) if gql else {}
        inputs = {
            one.name: await self._input(op.args[name], one.ignore)
            for name, one in function.arguments.items()
            if name in op.args
        }
        call = ModuleCall(kind, gql, state, inputs)
        return await self._value(
            function.type, await run(self.dependency.place, self.session, self.door, call), op
        )

    async def _parent(self, op: Op) -> Mapping[str, Any]:
        parent: OwnObject = await self.session.engine.parent(op)
        return parent.fields

    async def _input(self, value: Any, ignore: Sequence[str] = ()) -> Any:
        """Return an argument as the SDK reads it: own objects by their fields, others by their id."""
        if isinstance(value, list):
            return [await self._input(one, ignore) for one in value]
        if not isinstance(value, Op):
            return value
        if value.type in self.dependency.description.objects:
            own: OwnObject = await self.session.engine.evaluate(value)
            return own.fields
        if ignore and value.type == "Directory":
            patterns = json.dumps(list(ignore))
            text = (
                f'{{directory{{withDirectory(path:"/",source:"{value.digest}",exclude:{patterns}){{id}}}}}}'
            )
            return (await self.session.query(text))["directory"]["withDirectory"]["id"]
        return value.digest

    async def _value(self, kind: str, raw: Any, op: Op) -> Any:
        """Return a result as the session has it."""
        bare = kind.rstrip("!")
        if raw is None:
            return None
        engine = self.session.engine
        if bare.startswith("["):
            named = bare.strip("[]!")
            if named in self.dependency.description.objects:
                made = (Op.make(named, op.field, op, {"index": index}) for index in range(len(raw)))
                return [engine.set_value(one, OwnObject(each)) for one, each in zip(made, raw, strict=True)]
            is_object = named in self.session.table.objects
            return [self.session.operation(one) for one in raw] if is_object else raw
        if bare in self.dependency.description.objects:
            return OwnObject(raw)
        if bare in self.session.table.objects:
            return await engine.evaluate(self.session.operation(raw))
        return raw
