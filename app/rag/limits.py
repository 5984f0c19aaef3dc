"""Limits: what a request may cost before it is parsed.

Bodies are read here, whole, under a byte cap and a deadline, and only then does a
request take one of the slots: a slow sender keeps nobody else waiting.
"""

import hmac
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import anyio
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rag.errors import (
    AuthenticationError,
    BodySizeError,
    OverloadError,
    ServiceError,
    SlowRequestError,
    envelope,
)
from rag.metrics import Metrics
from rag.settings import Settings, read_key

OPEN: Final = frozenset({"/", "/health", "/ready", "/metrics"})
"""Paths that need no key and no slot: the orchestrator's, which answer under load, and the page."""


class Admission:
    """Check key, body and slots; answer 401, 408, 413 or 429 by itself."""

    def __init__(self, app: ASGIApp, settings: Settings, metrics: Metrics) -> None:
        self._app = app
        self._settings = settings
        self._metrics = metrics
        self._key = read_key(settings.api_key_file, "API_KEY_FILE")
        self._slots = settings.max_concurrent
        self._buffered_bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        if scope["type"] != "http" or scope["path"] in OPEN:
            await self._app(scope, receive, send)
            return
        try:
            self._check_key(Headers(scope=scope))
            with self._buffer() as body:
                await self._read(scope, receive, body)
                with self._slot():
                    await self._app(scope, _replay(bytes(body), receive), send)
        except ServiceError as error:
            await refusal(error)(scope, receive, send)

    def _check_key(self, headers: Headers) -> None:
        if self._key is None:
            return
        scheme, _, key = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(key.strip().encode(), self._key.encode()):
            raise AuthenticationError("the key is missing or wrong. Send 'Authorization: Bearer KEY'.")

    @contextmanager
    def _slot(self) -> Iterator[None]:
        if self._slots <= 0:
            raise OverloadError(
                f"{self._settings.max_concurrent} requests are being worked on.", retry_after_s=1
            )
        self._slots -= 1
        try:
            with self._metrics.in_flight.track_inprogress():
                yield
        finally:
            self._slots += 1

    @contextmanager
    def _buffer(self) -> Iterator[bytearray]:
        body = bytearray()
        try:
            yield body
        finally:
            self._buffered_bytes -= len(body)

    async def _read(self, scope: Scope, receive: Receive, body: bytearray) -> None:
        cap = self._settings.max_body_bytes
        declared = Headers(scope=scope).get("content-length", "0")
        if not declared.isdigit() or int(declared) > cap:
            raise BodySizeError(f"the body is larger than {cap} bytes.")
        try:
            with anyio.fail_after(self._settings.body_timeout_s):
                while await self._take(receive, body, cap):
                    pass
        except TimeoutError:
            raise SlowRequestError(f"the body took over {self._settings.body_timeout_s:g} s.") from None

    async def _take(self, receive: Receive, body: bytearray, cap: int) -> bool:
        message = await receive()
        chunk = message.get("body", b"")
        if len(body) + len(chunk) > cap:
            raise BodySizeError(f"the body is larger than {cap} bytes.")
        if self._buffered_bytes + len(chunk) > self._settings.max_buffered_bytes:
            raise OverloadError("too many bodies are being received.", retry_after_s=1)
        body += chunk
        self._buffered_bytes += len(chunk)
        return bool(message.get("more_body", False))


def refusal(error: ServiceError) -> JSONResponse:
    """Make the answer that an error becomes."""
    return JSONResponse(envelope(error), status_code=error.status, headers=error.headers)


def _replay(body: bytes, receive: Receive) -> Receive:
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return waiting.pop() if waiting else await receive()

    return replay
