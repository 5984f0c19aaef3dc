"""Write beside the final name, then rename: complete or not at all."""
# ruff: noqa: PTH101, PTH120
# Strings on purpose: pathlib costs more than the system calls here.

import contextlib
import errno
import os
import secrets
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final

STAGING_PREFIX: Final = ".tmp-"
"""Names that begin so are unfinished work of a process, alive or dead."""

STALE_S: Final = 86_400.0
"""Unfinished work of that age has no process any more."""


@contextlib.contextmanager
def staged(final: Path) -> Iterator[Path]:
    """Give a free sibling path; rename it to `final` when the block ends.

    The block makes a file, link or folder there (or nothing: no rename). A
    file replaces a file; a folder replaces only nothing or an empty folder.
    If the block raises, what it made is removed.

    Raises:
        FileExistsError: `final` is a folder that is not empty.

    """
    here = final.with_name(f"{STAGING_PREFIX}{secrets.token_hex(8)}")
    try:
        yield here
        if os.path.lexists(here):
            _rename(here, final)
    except BaseException:
        remove_tree(here)
        raise


def write_whole(path: Path, content: bytes) -> None:
    """Replace a file's content at once; a reader sees all of it or none."""
    with staged(path) as here:
        here.write_bytes(content)


def sweep(folder: Path, age_s: float = STALE_S, remove: Callable[[Path], None] | None = None) -> int:
    """Remove unfinished work not touched for `age_s`; say how much.

    A process killed in the middle leaves such work; a live one is younger.
    """
    removed = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(STAGING_PREFIX) and _age_s(entry) > age_s:
                (remove or remove_tree)(Path(entry.path))
                removed += 1
    return removed


def remove_tree(path: Path) -> None:
    """Remove a folder and all below it, read-only ones too; absent is fine.

    A link is removed, never followed.

    Raises:
        OSError: what the system refuses, naming the file.

    """
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(mode):
        path.unlink(missing_ok=True)
        return
    shutil.rmtree(path, onerror=_open_and_retry)


def _age_s(entry: os.DirEntry[str]) -> float:
    try:
        return time.time() - entry.stat(follow_symlinks=False).st_mtime
    except FileNotFoundError:
        return 0.0


def _rename(source: Path, final: Path) -> None:
    try:
        source.rename(final)
    except OSError as problem:
        if problem.errno in {errno.ENOTEMPTY, errno.EEXIST, errno.EISDIR}:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), os.fspath(final)) from problem
        raise


def _open_and_retry(
    function: Callable[..., Any], name: str, problem: tuple[type[BaseException], BaseException, TracebackType]
) -> None:
    """Open a folder to its owner, then try again; gone meanwhile is fine."""
    error = problem[1]
    if isinstance(error, FileNotFoundError):
        return
    if not isinstance(error, PermissionError) or getattr(error, "retried", False):
        raise error
    for folder in (os.path.dirname(name), name):
        if stat.S_ISDIR(os.lstat(folder).st_mode):
            os.chmod(folder, 0o700)
    if function in (os.unlink, os.rmdir):
        function(name)
    else:
        remove_tree(Path(name))
