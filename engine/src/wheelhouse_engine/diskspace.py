"""Say in one sentence what the operating system or a tool said, above all which disk is full."""

import errno
import os
import re
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from wheelhouse_engine.errors import EngineError, StoreError
from wheelhouse_engine.runner import CommandError

FULL = "no space left on device"
"""What every tool says, in this or that case. Source: strerror(ENOSPC)."""
QUOTA = "disk quota exceeded"
NUMBERS: Final = (errno.ENOSPC, errno.EDQUOT)
LEAST_BYTES: Final = 4 * 10**6
"""A session needs that much of its store to begin: records, indexes, a working container."""
FULL_BYTES: Final = 64 * 10**6
"""A disk with less is taken for the full one; else what a tool names (a folder may have a quota)."""
TEMPORARY: Final = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 - looked at, not written to
_PATH: Final = re.compile(r"/[^\s:\"'`,;)]+")


def is_full(text: str) -> bool:
    """Say whether a tool's message tells of a full disk."""
    return FULL in text.lower() or QUOTA in text.lower()


def free_bytes(root: Path) -> int:
    """Return how much this user may still write to the disk of a folder."""
    found = os.statvfs(root)
    return found.f_bavail * found.f_frsize


def no_space(root: Path, *written: Path, said: str = "") -> StoreError:
    """Return the error of a full disk: found, expected, do.

    Args:
        root: the store.
        written: what was written when the disk was full, outside the store.
        said: what a tool said; a path in it may be the one that it could not write, or one of an image.

    """
    named = [Path(name) for line in said.splitlines() if is_full(line) for name in _PATH.findall(line)]
    places = [*reversed(named), root, *written, *_temporary()]
    # What was written may be the cause or only have been next: the disk with the least space is full.
    fullest = min(places, key=lambda one: free_bytes(_existing(one)))
    place = named[-1] if named and free_bytes(_existing(fullest)) > FULL_BYTES else fullest
    return StoreError(_sentence(root, place))


def _sentence(root: Path, place: Path) -> str:
    free = f"({free_bytes(_existing(place)) // 10**6} MB free)"
    if _disk(place) == _disk(root):
        return (
            f"no space left for the store {root} {free}. "
            "Free some (`wheelhouse prune`) or set WHEELHOUSE_STORE to a larger disk, then run again."
        )
    if any(_disk(place) == _disk(one) for one in _temporary()):
        return (
            f"no space left for temporary files in {place} {free}. "
            "Free some there or set TMPDIR to a larger disk, then run again."
        )
    return (
        f"no space left for the output {place} {free}. "
        "Free some there or write to a larger disk, then run again."
    )


def check_space(root: Path) -> None:
    """Raise StoreError if a session could not even begin on the store's disk."""
    if free_bytes(root) < LEAST_BYTES:
        raise StoreError(_sentence(root, root))


def readable(error: OSError, root: Path, *written: Path) -> EngineError:
    """Turn an operating system error into one sentence that says what to do."""
    if error.errno in NUMBERS:
        if isinstance(error.filename, str):
            return StoreError(_sentence(root, Path(error.filename)))
        return no_space(root, *written)
    where = f" {error.filename}" if error.filename else ""
    return EngineError(f"{(error.strerror or str(error)).lower()}{where}")


def explained(error: Exception, root: Path) -> Exception:
    """Return what a failed tool or system call means to the caller; other errors as they are."""
    if isinstance(error, OSError):
        return readable(error, root)
    if isinstance(error, CommandError) and is_full(error.completed.error_text):
        return no_space(root, said=error.completed.error_text)
    return error


def _temporary() -> Iterable[Path]:
    return [one for one in {Path(tempfile.gettempdir()), *map(Path, TEMPORARY)} if one.is_dir()]


def _existing(path: Path) -> Path:
    """Return a path, or the nearest folder above it that exists."""
    return next((one for one in (path, *path.parents) if one.exists()), Path("/"))


def _disk(path: Path) -> int:
    return _existing(path).stat().st_dev
