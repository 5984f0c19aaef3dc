"""Follow links as a Dagger engine's own process does: where they lead in its file system, not in a tree.

A tree is mounted in the engine's /tmp while its times are set. A relative link that stays in the tree leads
where it should; an absolute one, or one that leaves the tree, leads into the engine's own file system.
"""

import errno
import os
import posixpath
import stat
from pathlib import Path
from typing import Final

from wheelhouse_engine.errors import EngineError
from wheelhouse_engine.ignore import Filter, select

MOUNTED: Final = ("tmp", "mount")
"""Where a tree is mounted: what `..` leads to above its root."""
LINK_LIMIT: Final = 40
"""Links that Linux follows for one path."""
ENGINE_FOLDERS: Final = (
    "bin",
    "dev",
    "etc",
    "home",
    "lib",
    "mnt",
    "opt",
    "proc",
    "root",
    "run",
    "sbin",
    "srv",
)
ENGINE_FILES: Final = frozenset(
    {
        *("/", "/bin", "/dev", "/etc", "/home", "/lib", "/mnt", "/opt", "/proc", "/root", "/run"),
        *("/sbin", "/srv", "/sys", "/tmp", "/usr", "/var"),  # noqa: S108
        *("/bin/sh", "/dev/null", "/etc/group", "/etc/hostname", "/etc/hosts", "/etc/passwd"),
        *("/etc/resolv.conf", "/usr/bin", "/usr/lib", "/usr/sbin", "/usr/share", "/var/lib", "/var/log"),
    }
)
"""What every engine has; nothing else is counted on. This machine's own files prove nothing."""


def follow_links(root: Path, folder: str) -> None:
    """Follow every link below a folder of a tree; the tree's root is `root`.

    Raises:
        EngineError: a link leads nowhere, through a file, or in a circle.

    """
    place = root / folder.strip("/")
    for entry in select(place, Filter()):
        if stat.S_ISLNK(entry.stat.st_mode):
            follow_link(root, posixpath.join("/", folder, entry.path))


def follow_link(root: Path, path: str) -> None:
    """Follow one path of a tree; raises EngineError when it leads nowhere."""
    try:
        _follow(root, path)
    except OSError as error:
        raise EngineError(f"chtimes {path}: {os.strerror(error.errno or 0).lower()}") from error


def _follow(root: Path, path: str) -> None:
    """Follow a path of the tree to its end; raises OSError without one."""
    pending = [part for part in reversed(path.split("/")) if part]
    here: list[str] = []
    links = 0
    while pending:
        part = pending.pop()
        if part == ".":
            continue
        if part == "..":
            if not here:
                _follow_outside([*MOUNTED[:-1]], pending)
                return
            here.pop()
            continue
        at = os.path.join(root, *here, part)  # noqa: PTH118 - a string is enough
        mode = os.lstat(at).st_mode
        if stat.S_ISLNK(mode):
            links += 1
            if links > LINK_LIMIT:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
            target = os.readlink(at)  # noqa: PTH115 - a string is enough
            pending += [one for one in reversed(target.split("/")) if one]
            if target.startswith("/"):
                _follow_outside([], pending)
                return
            continue
        if pending and not stat.S_ISDIR(mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        here.append(part)


def _follow_outside(here: list[str], pending: list[str]) -> None:
    """Expect a path of the engine's own file system, where it has one."""
    path = posixpath.normpath(posixpath.join("/", *here, *reversed(pending)))
    if path not in ENGINE_FILES:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
