"""Name what stops the model stage; every message says found, expected, do.

ModelError
├── SourceError       one source could not serve the locked bytes
├── UnsafeFile        a file that may carry code, or that leaves its directory
├── Unsupported       an architecture or setting the exporter does not know
└── GateFailed        an export that differs too much from its reference
"""

import errno
import sys
from collections.abc import Callable


class ModelError(Exception):
    """Stop the stage with a message for the user; exit status 1."""


class SourceError(ModelError):
    """One source failed; the next one is tried."""


class UnsafeFile(ModelError):  # noqa: N818 - the field's word
    """A file is refused by its name, its content or its path."""


class Unsupported(ModelError):  # noqa: N818 - the field's word
    """The exporter does not know this architecture or setting."""


class GateFailed(ModelError):  # noqa: N818 - the field's word
    """An export misses the required likeness to its reference."""


def exit_status(command: Callable[[], None]) -> int:
    """Run a command; print what stops it on stderr and return 1, else 0."""
    try:
        command()
    except ModelError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        advice = " Free space and run again; downloads in --cache are kept." if full else ""
        print(f"error: {error.filename or 'disk'}: {error.strerror or error}.{advice}", file=sys.stderr)
        return 1
    return 0
