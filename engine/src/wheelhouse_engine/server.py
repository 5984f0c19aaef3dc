"""Speak the session protocol: POST /query on loopback, one token, GraphQL errors and never a 5xx."""

import asyncio
import base64
import contextlib
import hmac
import json
import socket
from typing import Final

import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from wheelhouse_engine.listening import Answer, Query

BODY_LIMIT_BYTES: Final = 64 * 10**6
"""Larger values belong in a file or directory of the host."""


def refusal(message: str) -> Answer:
    """Return an answer that the client turns into a QueryError."""
    return {"data": None, "errors": [{"message": message}]}


def application(query: Query, token: str) -> Starlette:
    """Return the ASGI application of one session."""
    expected = f"Basic {base64.b64encode(f'{token}:'.encode()).decode()}"

    async def handle(request: Request) -> Response:
        given = request.headers.get("authorization", "")
        if not hmac.compare_digest(given.encode(), expected.encode()):
            return _json(refusal("wrong session token: this session belongs to another client"))
        try:
            body = await _body(request)
            text = str(json.loads(body)["query"])
        except _TooLargeError:
            return _json(
                refusal(
                    f"the query is larger than {BODY_LIMIT_BYTES // 10**6} MB; pass large data as a host file"
                )
            )
        except ClientDisconnect:
            return Response(status_code=200)
        except (ValueError, KeyError, TypeError, RecursionError):
            return _json(refusal('expected a JSON object {"query": "…"} with a GraphQL document'))
        try:
            return _json(await query(text))
        except asyncio.CancelledError:
            return _json(refusal("the session ended before this was answered"))

    return Starlette(routes=[Route("/query", handle, methods=["POST"])])


class _TooLargeError(Exception):
    """Stop reading a body over the limit."""


async def _body(request: Request) -> bytes:
    """Read the body, keeping no more than the limit; the rest is drained so that the client can read."""
    kept = bytearray()
    total = 0
    async for piece in request.stream():
        total += len(piece)
        if total <= BODY_LIMIT_BYTES:
            kept += piece
    if total > BODY_LIMIT_BYTES:
        raise _TooLargeError
    return bytes(kept)


def _json(answer: Answer) -> Response:
    content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    return Response(content, media_type="application/json")


async def serve(listener: socket.socket, query: Query, token: str, over: asyncio.Event) -> None:
    """Answer clients on a listening socket until the session is over."""
    config = uvicorn.Config(
        application(query, token), log_config=None, lifespan="off", ws="none", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    # Without uvicorn's signal handlers: the session decides when to end.
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]
    task = asyncio.create_task(server.serve(sockets=[listener]))
    await over.wait()
    server.should_exit = server.force_exit = True
    await task
