"""Start: `python -m rag` serves until SIGTERM, then finishes what it accepted."""

import argparse
import logging
import os
import signal
import sys
from typing import Any

import uvicorn

from rag.deadline import head_deadline
from rag.errors import ServiceError
from rag.main import create_app
from rag.settings import Settings


def main() -> None:
    """Serve; exit 0 after SIGTERM or SIGINT, 1 when the start fails."""
    arguments = _arguments()
    try:
        settings = Settings.from_environment(os.environ)
        _log_to_stderr(settings.log_level)
        if arguments.reload:
            uvicorn.run("rag.main:create_app", factory=True, reload=True, **_options(settings))
            return
        app = create_app(settings)
    except ServiceError as exc:
        sys.exit(f"rag: {exc}")

    def leave(*_: object) -> None:
        sys.exit(1 if app.state.service.failed else 0)

    # uvicorn drains, then raises the signal again: this is where it arrives.
    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGINT, leave)
    uvicorn.Server(uvicorn.Config(app, **_options(settings))).run()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="rag", description="Serve retrieval. Settings come from the environment."
    )
    parser.add_argument("--reload", action="store_true", help="restart when the source changes (development)")
    return parser.parse_args()


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


def _log_to_stderr(level: str) -> None:
    logging.basicConfig(level=level.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("httpx2").setLevel(logging.WARNING)


if __name__ == "__main__":
    main()
