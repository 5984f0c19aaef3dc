"""Change a folder that belongs to the caller: write, make, remove, re-own."""

import errno
import os
import stat
from pathlib import Path
from typing import Final

from wheelhouse_engine.copying import PARENT_MODE, Copying, file_destination, make_folders
from wheelhouse_engine.ignore import Filter, select
from wheelhouse_engine.inodes import Owner, clear, private, renew
from wheelhouse_engine.paths import normalise, parent_and_name, resolve
from wheelhouse_engine.patterns import match_name
from wheelhouse_engine.staging import remove_tree

NAME_LIMIT_BYTES: Final = 255
"""Longest file name. Source: NAME_MAX of Linux, and Dagger's own check."""


def write_file(
    root: Path, path: str, content: bytes, mode: int = 0o644, *, owner: Owner | None = None
) -> None:
    """Write a file as `Directory.withNewFile` does.

    A last link is followed inside `root`. A file that exists keeps its mode,
    and its owner unless `owner` is given. Missing parents are made 0755 root.

    Raises:
        IsADirectoryError: `path` is a folder.
        OSError: ENAMETOOLONG for a name over 255 bytes, and what the system refuses.

    """
    _check_name(path)
    parent = parent_and_name(root, path)[0]
    make_folders(root, os.fspath(parent.relative_to(root)))
    here = resolve(root, path)
    if here.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    if here.exists():
        mode = stat.S_IMODE(here.stat().st_mode)
        private(here)
        here.chmod(0o600)
    here.write_bytes(content)
    here.chmod(mode)
    if owner:
        _own(here, owner)


def replace_file(root: Path, path: str, content: bytes, copying: Copying | None = None) -> None:
    """Write a file as `Container.withNewFile` does.

    What is at `path` is replaced, a link too; an existing folder gets the file
    inside it, under the last name of `path`. Mode 0644 and owner 0:0 unless
    `copying` says otherwise. Missing parents are made 0755 root.

    Raises:
        OSError: as `write_file`.

    """
    _check_name(path)
    copying = copying or Copying()
    here = file_destination(root, path, normalise(path).rpartition("/")[2], owner=copying.owner)
    clear(os.fspath(here))
    here.write_bytes(content)
    if copying.owner:
        os.chown(here, *copying.owner)
    here.chmod(0o644 if copying.mode is None else copying.mode)


def make_directory(root: Path, path: str, mode: int = PARENT_MODE, *, owner: Owner | None = None) -> None:
    """Make a folder as `Directory.withNewDirectory` does.

    The missing parents get `mode` too; what exists keeps its own.

    Raises:
        ValueError: `path` leads out of `root`.
        OSError: a file is in the way, and what the system refuses.

    """
    if os.path.normpath(path).startswith("../"):
        raise ValueError(f"cannot create directory outside parent: {os.path.normpath(path)}")
    parts = [part for part in normalise(path).split("/") if part]
    for depth in range(1, len(parts) + 1):
        here = resolve(root, "/".join(parts[:depth]))
        if not here.is_dir():
            here.mkdir()
            here.chmod(mode)
            if owner:
                os.chown(here, *owner)


def make_symlink(root: Path, target: str, path: str) -> None:
    """Make a link at `path` that holds `target` as it is given.

    Missing parents are made 0755 root.

    Raises:
        FileExistsError: something is at `path` already.

    """
    parent, name = parent_and_name(root, path)
    make_folders(root, os.fspath(parent.relative_to(root)))
    (parent / name).symlink_to(target)


def remove(root: Path, path: str, *, allow_wildcard: bool = True) -> bool:
    """Remove a file, link or folder; tell whether anything was there.

    A last link is removed, not followed. A path with "*" is a shell pattern
    over whole paths ("*" stops at "/"). "/" empties `root`.

    Raises:
        FileNotFoundError: the folder a pattern begins with does not exist.
        NotADirectoryError: `path` goes through a file.

    """
    found = _wildcard(root, path) if allow_wildcard and "*" in path else [_unfollowed(root, path)]
    removed = False
    for here in found:
        try:
            os.lstat(here)
        except FileNotFoundError:
            continue
        removed = True
        for doomed in here.iterdir() if here == root else [here]:
            remove_tree(doomed)
    return removed


def set_times(folder: Path, epoch_s: int) -> None:
    """Set the times of `folder` and all below it to whole seconds since 1970.

    Shared inodes are replaced first, so other clones keep theirs. A link keeps
    its own time.
    """
    entries = list(select(folder, Filter()))
    for path, state in reversed(entries):
        if stat.S_ISLNK(state.st_mode):
            continue
        here = f"{folder}/{path}"
        if state.st_nlink > 1 and not stat.S_ISDIR(state.st_mode):
            renew(here, state)
        os.utime(here, (epoch_s, epoch_s), follow_symlinks=False)
    os.utime(folder, (epoch_s, epoch_s))


def set_owner(root: Path, path: str, owner: Owner) -> None:
    """Give `path` and all below it to `owner`; a last link is followed.

    Raises:
        FileNotFoundError: `path` does not exist.

    """
    here = resolve(root, path)
    below = [here / entry.path for entry in select(here, Filter())] if here.is_dir() else []
    for each in [here, *below]:
        _own(each, owner)


def _own(path: Path, owner: Owner) -> None:
    state = os.lstat(path)
    if (state.st_uid, state.st_gid) != owner:
        private(path)
        os.chown(path, *owner, follow_symlinks=False)


def _check_name(path: str) -> None:
    name = normalise(path).rpartition("/")[2]
    if len(os.fsencode(name)) > NAME_LIMIT_BYTES:
        raise OSError(
            errno.ENAMETOOLONG,
            f"File name length exceeds the maximum supported {NAME_LIMIT_BYTES} characters",
            name,
        )


def _unfollowed(root: Path, path: str) -> Path:
    parent, name = parent_and_name(root, path)
    return parent / name


def _wildcard(root: Path, path: str) -> list[Path]:
    """Give what a shell pattern matches."""
    parts = normalise(path).split("/")[1:]
    wild = next(n for n, part in enumerate(parts) if set(part) & set("*?["))
    base = resolve(root, "/".join(parts[:wild]))
    pattern = "/".join(parts[wild:])
    if not stat.S_ISDIR(os.lstat(base).st_mode):
        return []
    found = select(base, Filter())
    return [base / entry.path for entry in found if match_name(pattern, entry.path)]
