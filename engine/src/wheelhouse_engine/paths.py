"""Container paths inside a host folder: no path leads out of it."""
# ruff: noqa: PTH115, PTH118
# Strings on purpose: pathlib costs more than the system calls here.

import contextlib
import errno
import os
import posixpath
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

LINK_LIMIT: Final = 255
"""Symbolic links followed for one path. Source: the limit Dagger's path resolution uses."""


def normalise(path: str) -> str:
    """Clean a container path lexically: "a/../b/./c" -> "/b/c".

    The result is absolute, has no trailing slash, and ".." never rises
    above "/". A relative path is taken from "/".
    """
    return "/" + posixpath.normpath("/" + path).lstrip("/")


def resolve(root: Path, path: str, *, follow_last: bool = True) -> Path:
    """Give the host path of a container path, as if chrooted in `root`.

    `path` is first cleaned lexically (as Dagger does: "link/../x" is "/x").
    Links on the way are followed inside `root`: an absolute target starts at
    `root`, ".." in a target stops at it. With `follow_last=False` the last
    component is not followed. Components that do not exist are kept as they are.

    Raises:
        OSError: ELOOP after 255 links; ENOTDIR where a file stands for a
            directory; ENAMETOOLONG as the system gives it.

    """
    pending = [part for part in reversed(normalise(path).split("/")) if part]
    done: list[str] = []
    links = 0
    while pending:
        part = pending.pop()
        if part == "..":
            del done[-1:]
            continue
        target = _link_target(root, done, part) if pending or follow_last else None
        if target is None:
            done.append(part)
            continue
        links += 1
        if links > LINK_LIMIT:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        if target.startswith("/"):
            done.clear()
        pending.extend(step for step in reversed(target.split("/")) if step not in ("", "."))
    return root.joinpath(*done)


def parent_and_name(root: Path, path: str) -> tuple[Path, str]:
    """Split a container path: its parent folder on the host, its last name.

    Links of the parent are followed inside `root`, the last name is not.
    The name of "/" is "".
    """
    head, name = posixpath.split(normalise(path))
    return resolve(root, head), name


def _link_target(root: Path, done: list[str], part: str) -> str | None:
    """Give what the link `part` points to; None if it is no link or absent."""
    here = os.path.join(root, *done, part)
    try:
        mode = os.lstat(here).st_mode
    except FileNotFoundError:
        return None
    return os.readlink(here) if stat.S_ISLNK(mode) else None


@contextlib.contextmanager
def named_inside(root: Path) -> Iterator[None]:
    """Let errors name a file by its path in the container, not by where that lies on this machine."""
    try:
        yield
    except OSError as error:
        if error.filename and str(error.filename).startswith(str(root)):
            error.filename = str(error.filename)[len(str(root)) :] or "/"
        raise


def context_root(root: Path) -> Path:
    """Return the git repository that contains a module, else the folder of its dagger.json."""
    return next((one for one in (root, *root.parents) if (one / ".git").exists()), root)
