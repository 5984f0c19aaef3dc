"""Join the client in this process to the session in this process, without a socket between them.

The client builds each query as a document, and the session runs documents: printing, HTTP and parsing lie
between them only when they are two processes (measured: 2.9 ms of 6.1 ms a query, over a hundred queries in
a build). Everyone else, `wheelhouse run` and `wheelhouse session` too, uses the socket.
"""

import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from gql import GraphQLRequest
from gql.transport import AsyncTransport
from graphql import DocumentNode, ExecutionResult, GraphQLSchema

Run = Callable[[DocumentNode], Awaitable[dict[str, Any]]]
"""Returns `data` and, where it failed, `errors`, as the session protocol has them."""


class SessionTransport(AsyncTransport):
    """Carry the client's documents to the session.

    A query goes on when the caller that asked is cancelled, as it does behind a socket: another may wait
    for the same operation. `close` ends those that are left.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._open: set[asyncio.Task[dict[str, Any]]] = set()

    async def connect(self) -> None:
        """Need nothing: the session is here."""

    async def close(self) -> None:
        """Cancel what still runs and wait for its end."""
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def execute(self, request: GraphQLRequest, *_: Any, **__: Any) -> ExecutionResult:
        """Run one document."""
        task: asyncio.Task[dict[str, Any]] = asyncio.ensure_future(self._run(request.document))
        self._open.add(task)
        task.add_done_callback(self._open.discard)
        answer = await asyncio.shield(task)
        return ExecutionResult(answer["data"], answer.get("errors"))

    def subscribe(self, request: GraphQLRequest, *_: Any, **__: Any) -> Any:
        """Refuse: the protocol has no subscriptions."""
        raise NotImplementedError("the session protocol has no subscriptions")


def join_client(schema: GraphQLSchema, run: Run) -> None:
    """Let the client ask the session directly; its first query needs no introspection then.

    A client that is made differently asks over the socket as usual. Does nothing when the client is not
    imported.
    """
    dagger = sys.modules.get("dagger")
    connection = getattr(getattr(dagger, "connect", None), "__self__", None)
    if connection is None:
        return
    try:
        from dagger.client._config import ConnectConfig  # noqa: PLC0415 - the client's own way to say "no retries"
    except ImportError:
        return
    with _no_certificates():
        client = getattr(connection.with_config(ConnectConfig(retry=None)).session, "client", None)
    if client is not None and hasattr(client, "fetch_schema_from_transport"):
        client.schema, client.fetch_schema_from_transport = schema, False
        client.transport = SessionTransport(run)


@contextlib.contextmanager
def _no_certificates() -> Iterator[None]:
    """Let a client be made without a connection, for which it reads the system's certificates: 0.06 s."""
    made = sys.modules.get("dagger.client._session")
    original = getattr(made, "TelemetryTransport", None)
    if original is None:
        yield
        return
    vars(made)["TelemetryTransport"] = lambda: None
    try:
        yield
    finally:
        vars(made)["TelemetryTransport"] = original
