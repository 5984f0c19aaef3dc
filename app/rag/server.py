"""Server: uvicorn around the application, with deadlines and a drain."""

import gc
import logging
import signal
import sys
from concurrent.futures import Future
from typing import Any

import uvicorn

from rag.deadline import head_deadline
from rag.embedder import Embedder
from rag.main import create_app
from rag.settings import Settings


def serve(settings: Settings, model: Future[Embedder] | None, *, reload: bool = False) -> None:
    """Serve until a signal, then exit 0, or 1 when the start failed.

    With `reload`, restart when the source changes; for development.

    Raises:
        ServiceError: the settings or the model folder are wrong.

    """
    logging.basicConfig(
        level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    if reload:
        uvicorn.run("rag.main:create_app", factory=True, reload=True, **_options(settings))
        return
    app = create_app(settings, model)

    def leave(*_: object) -> None:
        sys.exit(1 if app.state.service.failed else 0)

    # uvicorn drains, then raises the signal again: this is where it arrives.
    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGINT, leave)
    gc.enable()
    gc.freeze()
    uvicorn.Server(uvicorn.Config(app, **_options(settings))).run()


def _options(settings: Settings) -> dict[str, Any]:
    return {
        "host": settings.host,
        "port": settings.port,
        "http": head_deadline(settings.header_timeout_s),
        "ws": "none",
        "timeout_graceful_shutdown": settings.drain_timeout_s,
        "server_header": False,
        "access_log": False,
        "log_config": None,
    }
