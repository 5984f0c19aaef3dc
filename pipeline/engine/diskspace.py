"""Say in one sentence what the operating system or a tool said, above all that the disk is full."""

import errno
import os
from pathlib import Path

from pipeline.engine.errors import EngineError, StoreError
from pipeline.engine.runner import CommandError

FULL = "no space left on device"
"""What every tool says, in this or that case. Source: strerror(ENOSPC)."""
QUOTA = "disk quota exceeded"


def is_full(text: str) -> bool:
    """Say whether a tool's message tells of a full disk."""
    return FULL in text.lower() or QUOTA in text.lower()


def free_bytes(root: Path) -> int:
    """Return how much this user may still write to the disk of a folder."""
    found = os.statvfs(root)
    return found.f_bavail * found.f_frsize


def no_space(root: Path) -> StoreError:
    """Return the error of a full disk: found, expected, do."""
    return StoreError(
        f"no space left for the store {root} ({free_bytes(root) // 10**6} MB free). "
        "Free some (`wheelhouse prune`) or set WHEELHOUSE_STORE to a larger disk, then run again."
    )


def readable(error: OSError, root: Path) -> EngineError:
    """Turn an operating system error into one sentence that says what to do."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return no_space(root)
    where = f" {error.filename}" if error.filename else ""
    return EngineError(f"{(error.strerror or str(error)).lower()}{where}")


def explained(error: Exception, root: Path) -> Exception:
    """Return what a failed tool or system call means to the caller; other errors as they are."""
    if isinstance(error, OSError):
        return readable(error, root)
    if isinstance(error, CommandError) and is_full(error.completed.error_text):
        return no_space(root)
    return error
