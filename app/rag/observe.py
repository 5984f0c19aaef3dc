"""Observe: the outermost layer; every request gets an id, a count and an answer."""

import asyncio
import logging
import re
import time
import uuid
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rag.errors import ServiceError, ShutdownError
from rag.limits import refusal
from rag.metrics import Metrics
from rag.retrieval import error_event

log = logging.getLogger("rag")

SAFE_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,128}")
"""A request id that may enter a log: no spaces, no line ends, nothing to escape."""

STOPPING: Final = ShutdownError("the service is stopping. Ask again.", retry_after_s=1)


class Observe:
    """Outermost layer: echoes the request id, counts the request, puts a crash into the envelope."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(Headers(scope=scope))
        status = 0
        streams = False

        async def noting(message: Message) -> None:
            nonlocal status, streams
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["x-request-id"] = request_id
                streams = headers.get("content-type", "").startswith("text/event-stream")
            await send(message)

        started = time.perf_counter()
        try:
            await self._app(scope, receive, noting)
        except asyncio.CancelledError:
            # uvicorn cancels what DRAIN_TIMEOUT_S did not finish, and would answer a plain 500.
            log.warning("request %s was not finished within DRAIN_TIMEOUT_S", request_id)
            if not status:
                await refusal(STOPPING)(scope, receive, noting)
            elif streams:
                await send({"type": "http.response.body", "body": error_event(STOPPING).encode()})
        except Exception:
            log.exception("request %s failed", request_id)
            if not status:
                await refusal(ServiceError("the service failed; the log has the cause."))(
                    scope, receive, noting
                )
        finally:
            self._metrics.observe(scope, status, time.perf_counter() - started)


def _request_id(headers: Headers) -> str:
    given = headers.get("x-request-id", "")
    return given if SAFE_ID.fullmatch(given) else uuid.uuid4().hex
