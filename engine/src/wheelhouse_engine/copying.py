"""Copy, link and clone files and folders with all that belongs to them."""
# ruff: noqa: PTH102, PTH108, PTH116
# Strings on purpose: pathlib costs more than the system calls here.

import errno
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from wheelhouse_engine.ignore import Entry, Filter, select
from wheelhouse_engine.inodes import Owner, clear, duplicate, link, stamp
from wheelhouse_engine.paths import normalise, parent_and_name, resolve
from wheelhouse_engine.staging import staged

PARENT_MODE: Final = 0o755
"""Mode of folders made on the way to a destination. Source: Dagger's golden answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copying:
    """How a copy is made."""

    filter: Filter = field(default_factory=Filter)
    """What of a source folder is wanted."""
    owner: Owner | None = None
    """Owner of everything copied and of the destination folder if made; None keeps."""
    mode: int | None = None
    """Mode of everything copied but links; None keeps."""
    link: bool = True
    """Whether an unchanged file may share its inode with the source."""
    gitignore_top: Path | None = None
    """Where .gitignore files begin to count; None is the source itself."""


def copy_tree(source: Path, root: Path, path: str = "/", copying: Copying | None = None) -> None:
    """Merge the folder `source` into the container path `path` of `root`.

    Kept: modes, owners, times in ns, links, hard links among the copied files,
    xattrs, empty folders. A file takes the place of a file, link or folder; a
    folder merges into a folder, or into the folder a link leads to inside
    `root`, and takes the place of anything else. Existing files are never
    written through. Missing parents of `path` are made 0755 root. Sockets are
    left out.

    Raises:
        NotADirectoryError: `source` is no folder.
        ValueError: malformed pattern.
        OSError: what the system refuses, naming the file.

    """
    copying = copying or Copying()
    state = os.stat(source)
    if not stat.S_ISDIR(state.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), os.fspath(source))
    merge = _Merge(source, root, copying)
    merge.open_destination(path, state)
    merge.copy(select(source, copying.filter, top=copying.gitignore_top))


def copy_file(
    source: Path, root: Path, path: str, copying: Copying | None = None, *, name: str | None = None
) -> None:
    """Copy one file (no folder) to the container path `path` of `root`.

    A `path` that ends in "/" or "/.", or is a folder, means into that folder
    under `name` (the source's own name if None). What is in the way is
    replaced, a link too. Missing parents are made 0755 root.

    Raises:
        IsADirectoryError: `source` is a folder.
        OSError: what the system refuses, naming the file.

    """
    copying = copying or Copying()
    state = os.lstat(source)
    if stat.S_ISDIR(state.st_mode):
        raise IsADirectoryError(errno.EISDIR, "source path is a directory", os.fspath(source))
    dest = file_destination(root, path, name or source.name, owner=copying.owner)
    _Merge(source.parent, root, copying).place(os.fspath(source), os.fspath(dest), state)


def copy_entries(source: Path, dest: Path, entries: Iterable[Entry]) -> None:
    """Copy listed entries (folders before what they hold) into a new folder.

    `dest` exists and is empty. Files are hard-linked; the folders, `dest` too,
    get the owners, modes and times of their sources.

    Raises:
        OSError: what the system refuses, naming the file.

    """
    merge = _Merge(source, dest, Copying())
    merge.dest[""] = os.fspath(dest)
    merge.times.append((os.fspath(source), os.fspath(dest), os.stat(source)))
    merge.copy(entries)


def clone(source: Path, dest: Path) -> None:
    """Make `dest` a hard-link clone of the folder `source`.

    Folders are real, all else is linked, so whoever changes a file of a clone
    calls `private` first. `dest` appears complete or not at all.

    Raises:
        FileExistsError: `dest` exists and is not empty.
        OSError: what the system refuses, naming the file.

    """
    with staged(dest) as here:
        here.mkdir()
        copy_entries(source, here, select(source, Filter()))


def make_folders(root: Path, path: str, *, owner: Owner | None = None) -> Path:
    """Make a folder and its missing parents inside `root`; give its host path.

    New folders are 0755; the last one gets `owner`, the others 0:0 when root
    runs this. A dangling link on the way is an error, as for mkdir -p.

    Raises:
        OSError: a file stands in the way, and what the system refuses.

    """
    done = root
    parts = [part for part in normalise(path).split("/") if part]
    for depth in range(1, len(parts) + 1):
        done = resolve(root, "/".join(parts[:depth]))
        if done.is_dir():
            continue
        done.mkdir()
        done.chmod(PARENT_MODE)
        if owner and depth == len(parts):
            os.chown(done, *owner)
    return done


def file_destination(root: Path, path: str, name: str, *, owner: Owner | None = None) -> Path:
    """Find where a file for the container path `path` goes; make its parents.

    Into `path` under `name` if it ends in "/" or "/." or is a folder; a folder
    that is made gets `owner`, its parents 0755 root. What is there is left.
    """
    inner = f"{path}/{name}"
    if path.endswith(("/", "/.")):
        make_folders(root, path, owner=owner)
        path = inner
    elif resolve(root, path).is_dir():
        path = inner
    parent, last = parent_and_name(root, path)
    return make_folders(root, os.fspath(parent.relative_to(root))) / last


@dataclass(slots=True)
class _Merge:
    """One copy in progress."""

    source: Path
    root: Path
    copying: Copying
    dest: dict[str, str] = field(default_factory=dict)
    """Relative source folder -> host path of its destination."""
    times: list[tuple[str, str, os.stat_result]] = field(default_factory=list)
    """Folders to stamp once everything in them is written."""
    inodes: dict[tuple[int, int], str] = field(default_factory=dict)
    """Source inode with several names -> its first copy."""

    def open_destination(self, path: str, state: os.stat_result) -> None:
        """Find or make the folder the copy goes into."""
        clean = normalise(path)
        here = resolve(self.root, clean)
        if not here.is_dir():
            parent, name = parent_and_name(self.root, clean)
            make_folders(self.root, os.fspath(parent.relative_to(self.root)))
            here = parent / name
            self.folder(os.fspath(self.source), os.fspath(here), state)
        self.dest[""] = os.fspath(here)

    def copy(self, entries: Iterable[Entry]) -> None:
        """Place every entry, then stamp the folders from the deepest up."""
        source = os.fspath(self.source)
        for path, state in entries:
            head, _, name = path.rpartition("/")
            dest = f"{self.dest[head]}/{name}"
            if stat.S_ISDIR(state.st_mode):
                self.dest[path] = self.folder(f"{source}/{path}", dest, state)
            else:
                self.place(f"{source}/{path}", dest, state)
        for origin, dest, state in reversed(self.times):
            stamp(origin, dest, state, owner=self.copying.owner, mode=self.copying.mode)

    def folder(self, source: str, dest: str, state: os.stat_result) -> str:
        """Make or find the folder for a source folder; give its host path."""
        try:
            os.mkdir(dest)
        except FileExistsError:
            dest = self.existing_folder(dest)
        self.times.append((source, dest, state))
        return dest

    def existing_folder(self, dest: str) -> str:
        """Merge into a folder or a link to one; replace anything else."""
        mode = os.lstat(dest).st_mode
        if stat.S_ISLNK(mode):
            behind = resolve(self.root, os.path.relpath(dest, self.root))
            if behind.is_dir():
                return os.fspath(behind)
        if not stat.S_ISDIR(mode):
            os.unlink(dest)
            os.mkdir(dest)
        return dest

    def place(self, source: str, dest: str, state: os.stat_result) -> None:
        """Put one file, link or device at `dest`, replacing what is there."""
        if stat.S_ISSOCK(state.st_mode):
            return
        if self.copying.link and not self.changes(state) and link(source, dest):
            return
        inode = (state.st_dev, state.st_ino)
        first = self.inodes.get(inode) if state.st_nlink > 1 else None
        if first and link(first, dest):
            return
        clear(dest)
        duplicate(source, dest, state)
        stamp(source, dest, state, owner=self.copying.owner, mode=self.copying.mode)
        if state.st_nlink > 1:
            self.inodes[inode] = dest

    def changes(self, state: os.stat_result) -> bool:
        """Tell whether the copy's owner or mode differs from the source's."""
        owner, mode = self.copying.owner, self.copying.mode
        return (owner is not None and owner != (state.st_uid, state.st_gid)) or (
            mode is not None and mode != stat.S_IMODE(state.st_mode) and not stat.S_ISLNK(state.st_mode)
        )
