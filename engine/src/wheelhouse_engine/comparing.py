"""Compare folders: digest, difference, change lists."""
# ruff: noqa: PTH115, PTH123
# Strings on purpose: pathlib costs more than the system calls here.

import hashlib
import io
import os
import stat
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from wheelhouse_engine.copying import copy_entries
from wheelhouse_engine.ignore import Entry, Filter, select
from wheelhouse_engine.inodes import Owner
from wheelhouse_engine.staging import remove_tree

HASH_THREADS: Final = min(8, (os.cpu_count() or 1) + 2)
"""hashlib releases the interpreter lock; a few more than cores hide disk waits."""

_CHUNK_BYTES: Final = 1 << 20
_EXECUTABLE: Final = 0o111


@dataclass(frozen=True, slots=True)
class Changes:
    """What changed from one folder to another, as Dagger's Changeset tells it."""

    added: tuple[str, ...]
    """New paths, sorted; folders end in "/" and are listed with all below them."""
    modified: tuple[str, ...]
    """Files whose content, link target, kind or executable bit differs, sorted."""
    removed: tuple[str, ...]
    """Gone paths, sorted; a gone folder ("/" at its end) stands for all below it."""
    all_removed: tuple[str, ...]
    """The same with all below gone folders."""

    @property
    def is_empty(self) -> bool:
        """Tell that no file changed; folders alone do not count."""
        paths = (*self.added, *self.modified, *self.all_removed)
        return all(path.endswith("/") for path in paths)


def changes(before: Path, after: Path) -> Changes:
    """List what was added, modified, removed; times and owners do not count."""
    old = {entry.path: entry for entry in select(before, Filter())}
    new = {entry.path: entry for entry in select(after, Filter())}
    kept = [path for path in new if path in old and old[path].is_directory == new[path].is_directory]
    same_kind = set(kept)
    modified = [
        path
        for path in kept
        if not new[path].is_directory
        and not _same_to_git(f"{before}/{path}", old[path].stat, f"{after}/{path}", new[path].stat)
    ]
    gone = sorted((_listed(old[path]) for path in old if path not in same_kind), key=os.fsencode)
    return Changes(
        added=tuple(sorted((_listed(new[path]) for path in new if path not in same_kind), key=os.fsencode)),
        modified=tuple(sorted(modified, key=os.fsencode)),
        removed=_collapsed(gone),
        all_removed=tuple(gone),
    )


def diff(lower: Path, upper: Path, dest: Path) -> None:
    """Make `dest` the folder of what is new or changed in `upper`.

    Compared: kind, content or link target, mode, owner, device number,
    security.capability; of all but folders also the time of the last change.
    Parents of changes come with them, also those of what is only in `lower`.
    Files are hard links to `upper`. Source: engine/snapshots/fsdiff, v0.21.8.
    """
    old = {entry.path: entry.stat for entry in select(lower, Filter())}
    found = list(select(upper, Filter()))
    changed = [
        entry.path
        for entry in found
        if entry.path not in old
        or not _same(f"{lower}/{entry.path}", old[entry.path], f"{upper}/{entry.path}", entry)
    ]
    gone = old.keys() - {entry.path for entry in found}
    wanted = set(changed) | {
        str(parent) for path in (*changed, *gone) for parent in PurePosixPath(path).parents
    }
    dest.mkdir(exist_ok=True)
    copy_entries(upper, dest, [entry for entry in found if entry.path in wanted])


def update(root: Path, lower: Path, upper: Path) -> None:
    """Change `root`, which has the content of `lower`, into `upper`; what is equal is not touched."""
    old = {entry.path: entry.stat for entry in select(lower, Filter())}
    found = list(select(upper, Filter()))
    stays = {e.path for e in found if e.path in old and e.is_directory == stat.S_ISDIR(old[e.path].st_mode)}
    for path in sorted(old.keys() - stays):
        if os.path.lexists(root / path):  # else it was below one that is gone
            remove_tree(root / path)
    changed = {
        entry.path
        for entry in found
        if entry.path not in stays
        or not _same(f"{lower}/{entry.path}", old[entry.path], f"{upper}/{entry.path}", entry)
    }
    above = {str(parent) for path in changed for parent in PurePosixPath(path).parents}
    copy_entries(upper, root, [entry for entry in found if entry.path in changed | above])


def tree_digest(root: Path) -> str:
    """Digest a folder: 64 hex digits, equal for equal content.

    sha256 over the sorted (path, type, mode, uid, gid, size, content sha256 or
    link target) of all below `root`; times, xattrs and `root` itself are left
    out.

    Raises:
        OSError: a file that cannot be read, naming it.

    """
    found = [entry for entry in select(root, Filter()) if not stat.S_ISSOCK(entry.stat.st_mode)]
    files = [entry.path for entry in found if stat.S_ISREG(entry.stat.st_mode)]
    with ThreadPoolExecutor(HASH_THREADS) as pool:
        contents = dict(zip(files, pool.map(lambda path: file_sha256(root / path), files), strict=True))
    contents |= {
        entry.path: os.readlink(root / entry.path) for entry in found if stat.S_ISLNK(entry.stat.st_mode)
    }
    return digest_entries(found, contents)


def digest_entries(found: Iterable[Entry], contents: Mapping[str, str], owner: Owner | None = None) -> str:
    """Digest entries whose contents are known, as `tree_digest` does.

    `contents` gives the sha256 (hex) of each file and the target of each link;
    `owner` stands for everybody's owner if given.
    """
    total = hashlib.sha256()
    for entry in sorted(found, key=lambda each: os.fsencode(each.path)):
        for part in _digest_row(entry, owner or (entry.stat.st_uid, entry.stat.st_gid), contents):
            total.update(len(part).to_bytes(8, "big"))
            total.update(part)
    return total.hexdigest()


def file_sha256(path: Path) -> str:
    """Hash a file's content: 64 hex digits. A last link is not followed.

    Raises:
        OSError: it cannot be read.

    """
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(handle, "rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest_row(entry: Entry, owner: Owner, contents: Mapping[str, str]) -> list[bytes]:
    state = entry.stat
    kind, numbers = stat.S_IFMT(state.st_mode), [stat.S_IMODE(state.st_mode), *owner]
    if kind in (stat.S_IFREG, stat.S_IFLNK):
        last = contents[entry.path]
        numbers.append(len(os.fsencode(last)) if kind == stat.S_IFLNK else state.st_size)
    else:
        last = "" if kind == stat.S_IFDIR else str(state.st_rdev)
    return [
        os.fsencode(entry.path),
        oct(kind).encode(),
        " ".join(map(str, numbers)).encode(),
        os.fsencode(last),
    ]


def _listed(entry: Entry) -> str:
    return entry.path + "/" * entry.is_directory


def _collapsed(paths: list[str]) -> tuple[str, ...]:
    """Leave out what is below a listed folder."""
    kept: list[str] = []
    for path in paths:
        if not (kept and kept[-1].endswith("/") and path.startswith(kept[-1])):
            kept.append(path)
    return tuple(kept)


def _same(old_path: str, old: os.stat_result, new_path: str, entry: Entry) -> bool:
    new = entry.stat
    if os.path.samestat(old, new):
        return True
    if (old.st_mode, old.st_uid, old.st_gid, old.st_rdev) != (
        new.st_mode,
        new.st_uid,
        new.st_gid,
        new.st_rdev,
    ):
        return False
    if _capability(old_path) != _capability(new_path):
        return False
    if stat.S_ISDIR(new.st_mode):
        return True
    return old.st_mtime_ns == new.st_mtime_ns and _same_content(old_path, old, new_path, new)


def _same_to_git(old_path: str, old: os.stat_result, new_path: str, new: os.stat_result) -> bool:
    """Compare as git would: kind, executable or not, content."""
    if os.path.samestat(old, new):
        return True
    if stat.S_IFMT(old.st_mode) != stat.S_IFMT(new.st_mode):
        return False
    if stat.S_ISREG(new.st_mode) and bool(old.st_mode & _EXECUTABLE) != bool(new.st_mode & _EXECUTABLE):
        return False
    return _same_content(old_path, old, new_path, new)


def _same_content(old_path: str, old: os.stat_result, new_path: str, new: os.stat_result) -> bool:
    if stat.S_ISLNK(new.st_mode):
        return os.readlink(old_path) == os.readlink(new_path)
    if not stat.S_ISREG(new.st_mode):
        return old.st_rdev == new.st_rdev
    if old.st_size != new.st_size:
        return False
    with io.FileIO(old_path) as first, io.FileIO(new_path) as second:
        while block := first.read(_CHUNK_BYTES):
            if block != second.read(_CHUNK_BYTES):
                return False
    return True


def _capability(path: str) -> bytes:
    try:
        return os.getxattr(path, "security.capability", follow_symlinks=False)
    except OSError:
        return b""
