"""Start: `python -m rag` serves until SIGTERM, then finishes what it accepted."""

import gc
import os
import sys
from typing import Final

from rag.errors import ServiceError
from rag.lean import skip_models
from rag.local import start_loading
from rag.settings import Settings

USAGE: Final = """\
usage: python -m rag [--reload] [--help]

Serve /v1/embeddings, /documents, /search and /query until SIGTERM. Settings are environment
variables: HOST, PORT, MODEL_DIR, DEVICE, UPSTREAM_URL, DATABASE_URL, …; the README has all of them.

  --reload   start anew when the source changes; for development
"""


def main() -> None:
    """Serve; exit 0 after SIGTERM or SIGINT, 1 when the start fails, 2 for a wrong argument."""
    _explain(sys.argv[1:])
    # What is imported stays for good: looking for garbage meanwhile costs 8 % of the start.
    gc.disable()
    skip_models()
    try:
        settings = Settings.from_environment(os.environ)
        model = start_loading(settings)
        from rag.server import serve  # noqa: PLC0415 - FastAPI is imported while the model loads

        serve(settings, model, reload="--reload" in sys.argv[1:])
    except ServiceError as exc:
        sys.exit(f"rag: {exc}")


def _explain(words: list[str]) -> None:
    """Print the usage where it is asked for, or needed, and exit."""
    if "-h" in words or "--help" in words:
        sys.stdout.write(USAGE)
        sys.exit(0)
    if unknown := [word for word in words if word != "--reload"]:
        sys.stderr.write(f"rag: unknown argument {unknown[0]!r}; expected one of these.\n{USAGE}")
        sys.exit(2)


if __name__ == "__main__":
    main()
