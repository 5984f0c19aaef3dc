"""Open a session: store, engine, schema, server, and everything's end."""

import asyncio
import contextlib
import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from graphql import DocumentNode, ExecutionResult, GraphQLError, GraphQLSchema, execute, validate
from graphql.validation import (
    FieldsOnCorrectTypeRule,
    FragmentsOnCompositeTypesRule,
    KnownArgumentNamesRule,
    KnownTypeNamesRule,
    ProvidedRequiredArgumentsRule,
    ScalarLeafsRule,
    ValuesOfCorrectTypeRule,
)

from wheelhouse_engine import ops
from wheelhouse_engine.api import load_api
from wheelhouse_engine.apitable import ApiTable
from wheelhouse_engine.buildah import Buildah
from wheelhouse_engine.containers import Containers
from wheelhouse_engine.diskspace import check_space, explained
from wheelhouse_engine.documents import parse
from wheelhouse_engine.engine import Engine
from wheelhouse_engine.errors import DamagedError, EngineError
from wheelhouse_engine.graph import Op
from wheelhouse_engine.handlers import HANDLERS
from wheelhouse_engine.housekeeping import Limits, tidy
from wheelhouse_engine.listening import Answer, listen
from wheelhouse_engine.nesting import refusal
from wheelhouse_engine.network import Network, network_name
from wheelhouse_engine.processes import uncancelled
from wheelhouse_engine.progress import Progress, SilentProgress
from wheelhouse_engine.runner import CommandError, ProcessRunner, RefusingRunner, Runner
from wheelhouse_engine.schema import build_schema
from wheelhouse_engine.secrets import Secrets
from wheelhouse_engine.services import Services
from wheelhouse_engine.sessions import Registration
from wheelhouse_engine.store import Store, write_atomically

RULES = (
    FieldsOnCorrectTypeRule,
    FragmentsOnCompositeTypesRule,
    KnownArgumentNamesRule,
    KnownTypeNamesRule,
    ProvidedRequiredArgumentsRule,
    ScalarLeafsRule,
    ValuesOfCorrectTypeRule,
)
"""What can be wrong with a query that the client builds; the other rules concern hand-written ones."""

REPAIRS: Final = 20
"""Damaged trees and layers that one answer may meet before it gives up."""

assert ops.__all__ and HANDLERS  # noqa: S101, PT018 - importing `ops` filled the table


async def _new_engine(  # noqa: PLR0913, PLR0917 - what a session is opened with
    stack: contextlib.AsyncExitStack,
    store: Store,
    runner: Runner,
    progress: Progress,
    environ: Mapping[str, str],
    workdir: Path,
    *,
    plan: bool,
) -> Engine:
    """Register a session, clean up after dead ones, and return its engine."""
    tmpfs = stack.enter_context(_memory())
    registration = await stack.enter_async_context(Registration.new(store, tmpfs))
    buildah = Buildah(runner, store.storage, store.runroot, registration.name, tmpfs)
    containers = Containers(runner, tmpfs / "runc", buildah.environ)
    network = Network(runner, network_name(registration.name))
    if not plan and (healed := await registration.clean(buildah, network)):
        progress.warn(healed)
    return Engine(
        store=store,
        buildah=buildah,
        progress=progress,
        session=registration.name,
        secrets=Secrets(environ, workdir),
        runner=runner,
        environ=environ,
        workdir=workdir,
        services=Services(network),
        containers=containers,
    )


@dataclass(slots=True)
class Session:
    """Be one session: what a client is connected to."""

    table: ApiTable
    store: Store
    engine: Engine
    plan: bool = False
    """Evaluate nothing: operations are only recorded."""
    port: int = 0
    token: str = ""
    schema: GraphQLSchema = field(init=False)
    _ops: dict[str, Op] = field(default_factory=dict)
    guessed: list[Op] = field(default_factory=list)
    """What a plan went on with an empty value for."""
    _reached: list[Op] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.extend(self.table)

    def extend(self, table: ApiTable) -> None:
        """Answer this API, which has everything that the one before has."""
        self.table, self.schema = table, build_schema(table, self._leaf, self._ops)

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls,
        *,
        environ: Mapping[str, str],
        workdir: Path,
        progress: Progress,
        runner: Runner | None = None,
        plan: bool = False,
    ) -> AsyncIterator["Session"]:
        """Open a session and serve it on a loopback port until the block ends."""
        store = Store.open(environ)
        if not plan:
            check_space(store.root)
        runner = runner or (RefusingRunner() if plan else ProcessRunner())
        progress, limits = SilentProgress(sys.stderr) if plan else progress, Limits.of(environ, store.root)
        async with contextlib.AsyncExitStack() as stack:
            engine = await _new_engine(stack, store, runner, progress, environ, workdir, plan=plan)
            session = cls(load_api(store.root / "api"), store, engine, plan)
            try:
                async with (
                    listen(session.answer) as (session.port, session.token),
                    listen(session.answer_nested) as nested,
                ):
                    engine.door = _door(*nested)
                    yield session
            finally:
                # Whoever cancels a second time would leave mounts and processes.
                await uncancelled(engine.close())
        if not plan and (removed := await asyncio.to_thread(tidy, store, limits)):
            progress.warn(removed)

    def operations(self) -> list[Op]:
        """Return the operations that leaves asked for, inputs first, each once."""
        listed: dict[str, Op] = {}

        def visit(op: Op) -> None:
            if op.digest not in listed:
                for one in op.inputs():
                    visit(one)
                listed[op.digest] = op

        for op in self._reached:
            visit(op)
        return list(listed.values())

    def operation(self, digest: str) -> Op:
        """Return the operation of an id; raises EngineError for one of another session."""
        if digest not in self._ops:
            raise EngineError(f"no object with id {digest[:64]!r} in this session")
        return self._ops[digest]

    async def _leaf(self, op: Op) -> Any:
        if self.plan:
            self._reached.append(op)
            return await self._planned(op)
        value = await self._evaluated(op)
        if isinstance(value, list):
            for item in value:
                if isinstance(item, Op):
                    self._ops[item.digest] = item
        return value

    async def _evaluated(self, op: Op) -> Any:
        """Evaluate; what turns out to be damaged in the store is made again."""
        for _ in range(REPAIRS):
            try:
                return await self.engine.evaluate(op)
            except DamagedError as error:
                self.engine.progress.warn(f"{error}; it is made again")
                self.engine.forget_evaluations()
            except (OSError, CommandError) as error:
                raise explained(error, self.store.root) from error
        return await self.engine.evaluate(op)

    async def _planned(self, op: Op) -> Any:
        from wheelhouse_engine import planning  # noqa: PLC0415 - only for `wheelhouse plan`

        answer = await planning.answer(self.engine, self.table, op)
        if not answer.known:
            self.guessed.append(op)
        return answer.value

    async def query(self, text: str) -> dict[str, Any]:
        """Run a query; return its data or raise the first error."""
        result = await self.execute(text)
        if result.errors:
            original = result.errors[0].original_error
            raise original or result.errors[0]
        return dict(result.data or {})

    async def execute(self, text: str) -> ExecutionResult:
        """Parse, validate and run one document."""
        try:
            document = parse(text)
        except GraphQLError as error:
            return ExecutionResult(None, [error])
        except RecursionError:
            return ExecutionResult(None, [GraphQLError("the query is nested too deeply")])
        if errors := validate(self.schema, document, RULES, max_errors=1):
            return ExecutionResult(None, errors)
        return await self.execute_document(document)

    async def execute_document(self, document: DocumentNode) -> ExecutionResult:
        """Run one document whose fields and arguments are known to exist; values are checked here."""
        outcome = execute(self.schema, document)
        result = await outcome if asyncio.iscoroutine(outcome) else outcome
        assert isinstance(result, ExecutionResult)  # noqa: S101 - no incremental delivery is asked for
        return result

    async def answer(self, text: str) -> Answer:
        """Answer one query of the protocol."""
        if "IntrospectionQuery" in text or "__schema" in text:
            return await self._introspection(text)
        return self._answer(await self.execute(text))

    async def answer_nested(self, text: str) -> Answer:
        """Answer one query of a process with nesting."""
        if refused := await refusal(text, self.schema):
            return {"data": None, "errors": [{"message": refused}]}
        return await self.answer(text)

    async def answer_document(self, document: DocumentNode) -> dict[str, Any]:
        """Answer one query that the client built from this session's own schema."""
        return self._answer(await self.execute_document(document))

    def _answer(self, result: ExecutionResult) -> dict[str, Any]:
        if not result.errors:
            return {"data": result.data}
        return {"data": None, "errors": [self._error(result.errors[0])]}

    def _error(self, error: GraphQLError) -> dict[str, Any]:
        """Return an error as the client reads it; only the first one counts there."""
        original = error.original_error
        message = str(original) if original else error.message
        if not isinstance(original, EngineError):
            message = self.engine.secrets.scrub(message)  # of a program that saw more than one exec's secrets
        shown: dict[str, Any] = {"message": message}
        if error.path:
            shown["path"] = list(error.path)
        if isinstance(original, EngineError) and original.extensions:
            shown["extensions"] = original.extensions
        return shown

    async def _introspection(self, text: str) -> Answer:
        """Answer an introspection query from a file: the schema changes with the client only."""
        stamp = hashlib.sha256(f"{self.table.fingerprint} {text}".encode()).hexdigest()[:24]
        cached = self.store.root / "api" / f"introspection-{stamp}.json"
        if cached.exists():
            return cached.read_bytes()
        result = await self.execute(text)
        if result.errors:
            return {"data": None, "errors": [self._error(result.errors[0])]}
        content = json.dumps({"data": result.data}).encode()
        write_atomically(cached, content)
        return content


def _door(port: int, token: str) -> dict[str, str]:
    """Return the variables by which a client finds a session. Source: the session protocol."""
    return {"DAGGER_SESSION_PORT": str(port), "DAGGER_SESSION_TOKEN": token}


@contextlib.contextmanager
def _memory() -> Iterator[Path]:
    """Give a private folder in memory where the system has one."""
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108
    path = Path(tempfile.mkdtemp(prefix="wheelhouse-", dir=base))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
