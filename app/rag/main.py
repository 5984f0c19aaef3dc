"""Application: settings in, one ASGI application out."""

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, suppress
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from rag import retrieval, routes
from rag.embedder import Embedder
from rag.errors import InputError, RefusedError, ServiceError
from rag.limits import Admission, refusal
from rag.metrics import Metrics
from rag.observe import Observe
from rag.service import Service
from rag.settings import Settings

log = logging.getLogger("rag")

MESSAGE_CHARS = 300
"""Longest message built from a caller's own words."""


def create_app(settings: Settings | None = None, model: Future[Embedder] | None = None) -> FastAPI:
    """Join the parts; without arguments everything comes from the environment.

    `model` is an embedder that is being loaded already.

    Raises:
        SettingsError: a variable or a key file is wrong.
        ModelError: MODEL_DIR does not hold a model.

    """
    settings = settings or Settings.from_environment(os.environ)
    metrics = Metrics()
    # No /docs: its page loads scripts from elsewhere. `/` has a page of its own.
    app = _Application(title="rag", lifespan=_lifespan, docs_url=None, redoc_url=None)
    app.state.service = Service(settings, metrics, model)
    app.include_router(routes.router)
    app.include_router(retrieval.router)
    app.add_exception_handler(ServiceError, _service_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)
    # The last one added is the outermost.
    app.add_middleware(Admission, settings=settings, metrics=metrics)
    app.add_middleware(Observe, metrics=metrics)
    return app


class _Application(FastAPI):
    """FastAPI with an OpenAPI document that is complete and written when it is asked for."""

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document."""
        if self.openapi_schema is None:
            from rag.openapi import document  # noqa: PLC0415 - only where the document is wanted

            self.openapi_schema = document(self, needs_key=bool(self.state.service.settings.api_key_file))
        return self.openapi_schema


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Listen at once and load beside it: alive is not ready."""
    service: Service = app.state.service
    loading = asyncio.create_task(_start(service))
    try:
        yield
    finally:
        loading.cancel()
        with suppress(asyncio.CancelledError):
            await loading
        await service.aclose()


async def _start(service: Service) -> None:
    try:
        await service.start()
    except ServiceError as exc:
        log.error("%s", exc.message)  # noqa: TRY400 - the message says all, a traceback nothing more
        _stop(service)
    except Exception:
        log.exception("the start failed")
        _stop(service)


def _stop(service: Service) -> None:
    """Stop as an orchestrator would stop us: waiting makes nothing better."""
    service.failed = True
    service.state = "the start failed; the log has the cause"
    signal.raise_signal(signal.SIGTERM)


async def _service_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, ServiceError)  # noqa: S101 - registered for this class only
    return refusal(error)


async def _validation_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class only
    problem = error.errors()[0]
    param = ".".join(str(part) for part in problem["loc"] if part != "body")
    message = str(problem["msg"]).removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        message = "unknown field. Remove it, or correct its name; /openapi.json lists the fields."
    return refusal(InputError(_printable(message), param=_printable(param) or None))


async def _http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class only
    answer = refusal(RefusedError(error.status_code, _printable(str(error.detail))))
    answer.headers.update(error.headers or {})
    return answer


def _printable(text: str) -> str:
    return text[:MESSAGE_CHARS].encode("utf-8", "replace").decode()
