"""Start: `python -m rag` serves until SIGTERM, then finishes what it accepted."""

import gc
import os
import sys

from rag.embedder import start_loading
from rag.errors import ServiceError
from rag.settings import Settings


def main() -> None:
    """Serve; exit 0 after SIGTERM or SIGINT, 1 when the start fails."""
    # What is imported stays for good: looking for garbage meanwhile costs 8 % of the start.
    gc.disable()
    # FastAPI imports pydantic's version 1 only to refuse its models, and copes without: 10 % of the start.
    sys.modules.setdefault("pydantic.v1", None)  # type: ignore[arg-type]
    try:
        settings = Settings.from_environment(os.environ)
        model = start_loading(settings)
        from rag.server import serve  # noqa: PLC0415 - FastAPI is imported while the model loads

        serve(settings, model, reload="--reload" in sys.argv[1:])
    except ServiceError as exc:
        sys.exit(f"rag: {exc}")


if __name__ == "__main__":
    main()
