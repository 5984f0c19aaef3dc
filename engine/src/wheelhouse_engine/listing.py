"""List and describe what is in a folder."""

import os
import stat as bits
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from wheelhouse_engine.ignore import Filter, select
from wheelhouse_engine.paths import resolve
from wheelhouse_engine.patterns import Pattern


class FileType(StrEnum):
    """Kind of file, with Dagger's names."""

    REGULAR = "REGULAR"
    DIRECTORY = "DIRECTORY"
    SYMLINK = "SYMLINK"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class Stat:
    """What Dagger tells about one path."""

    size: int
    """Bytes."""
    permissions: int
    """The nine permission bits."""
    file_type: FileType
    name: str
    """Last component of the resolved path."""


def entries(root: Path, path: str = "/") -> list[str]:
    """List the names in a folder in byte order; a folder's name ends in "/".

    A link to a folder has no "/".

    Raises:
        FileNotFoundError: nothing is there; its filename is `path`.
        NotADirectoryError: `path` is no folder.

    """
    try:
        with os.scandir(resolve(root, path)) as found:
            names = [(child.name, child.is_dir(follow_symlinks=False)) for child in found]
    except OSError as problem:
        problem.filename = path
        raise
    return [name + "/" * folder for name, folder in sorted(names, key=lambda pair: os.fsencode(pair[0]))]


def glob(root: Path, pattern: str) -> list[str]:
    """List the paths below `root` that match one pattern, folders with "/".

    Walking order: byte order in each folder, a folder before what it holds.
    "*" stops at "/", "**" does not. Unlike include patterns, a folder that
    matches does not stand for what is below it. "!x" matches nothing.

    Raises:
        ValueError: malformed or empty pattern.

    """
    wanted = Pattern.parse(pattern)
    if wanted is None:
        raise ValueError("failed to create glob pattern matcher: empty pattern")
    if wanted.negated:
        return []
    return [
        entry.path + "/" * entry.is_directory
        for entry in select(root, Filter())
        if wanted.regex.fullmatch(entry.path)
    ]


def stat(root: Path, path: str, *, follow_last: bool = True) -> Stat:
    """Describe one path; with `follow_last=False` a last link itself.

    Raises:
        FileNotFoundError: nothing is there, or `path` is empty; its filename is `path`.

    """
    if not path:
        raise FileNotFoundError(2, "No such file or directory", path)
    here = resolve(root, path, follow_last=follow_last)
    try:
        state = os.lstat(here)
    except FileNotFoundError as problem:
        problem.filename = path
        raise
    return Stat(state.st_size, state.st_mode & 0o777, _file_type(state.st_mode), here.name)


def _file_type(mode: int) -> FileType:
    kinds = {
        bits.S_IFREG: FileType.REGULAR,
        bits.S_IFDIR: FileType.DIRECTORY,
        bits.S_IFLNK: FileType.SYMLINK,
    }
    return kinds.get(bits.S_IFMT(mode), FileType.UNKNOWN)
