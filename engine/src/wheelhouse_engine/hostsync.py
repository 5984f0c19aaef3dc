"""Bring host folders into the store, reading only what changed."""
# ruff: noqa: PTH102, PTH115, PTH211
# Strings on purpose: pathlib costs more than the system calls here.

import contextlib
import errno
import hashlib
import io
import json
import os
import stat
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from wheelhouse_engine.comparing import HASH_THREADS, digest_entries
from wheelhouse_engine.hashindex import HashIndex, mark_of, settled
from wheelhouse_engine.ignore import Entry, Filter, host_filter, select
from wheelhouse_engine.staging import staged, sweep

ATTEMPTS: Final = 3
"""How often a folder that changes while it is read is read again."""

ROOT_MODE: Final = 0o755
"""Mode of the top of an uploaded tree. Source: a Dagger engine never sends the top itself."""

_CHUNK_BYTES: Final = 1 << 20
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class HostSync:
    """Uploads of host folders into immutable, content-addressed folders."""

    trees: Path
    """Where `<key>/` folders are; one file system with nothing but the store."""
    index: Path
    """Folder of what earlier syncs remember; may be deleted at any time."""

    def sync(self, path: Path, wanted: Filter) -> str:
        """Make sure `trees/<key>/` holds the wanted part of a host folder.

        The key is `tree_digest` of that folder as root would own it: 64 hex
        digits over paths, kinds, modes, contents and link targets. Times are
        kept but not in the key, owners become 0:0, sockets are left out, links
        stay links. With `gitignore` the .gitignore files count from the folder
        that holds .git down.

        Raises:
            FileNotFoundError: no such folder; its filename is the first
                missing parent.
            NotADirectoryError: `path` is a file.
            ValueError: malformed pattern.
            OSError: a file cannot be read or keeps changing, naming it.

        """
        root = Path(os.path.realpath(path, strict=True))
        if not root.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), os.fspath(path))
        kept = host_filter(wanted)
        top = _git_top(root) if kept.gitignore else None
        name = json.dumps([os.fspath(root), kept.include, kept.exclude, kept.gitignore])
        return self._settle(name, lambda: _Upload(root, list(select(root, kept, top=top))))

    def sync_file(self, path: Path) -> str:
        """Make sure `trees/<key>/` holds one host file under its own name.

        A link is followed. The key is as for `sync`.

        Raises:
            FileNotFoundError: no such file.
            IsADirectoryError: `path` is a folder.
            OSError: it cannot be read or keeps changing.

        """
        real = Path(os.path.realpath(path, strict=True))
        if real.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
        name = json.dumps(["file", os.path.abspath(path)])  # noqa: PTH100
        return self._settle(
            name, lambda: _Upload(real.parent, [Entry(path.name, os.lstat(real))], alias=real.name)
        )

    def _settle(self, name: str, look: Callable[[], "_Upload"]) -> str:
        """Sync what `look` finds; look again while it changes."""
        index = self.index / f"{hashlib.sha256(name.encode()).hexdigest()}.json"
        remembered = HashIndex.load(index)
        for last in [False] * (ATTEMPTS - 1) + [True]:
            try:
                return self._store(look(), remembered, index)
            except (FileNotFoundError, _ChangedError):
                remembered = HashIndex()
                if last:
                    raise
        raise AssertionError  # pragma: no cover - the loop returns or raises

    def _store(self, upload: "_Upload", remembered: HashIndex, index: Path) -> str:
        now_ns = time.time_ns()
        contents, unsure = upload.contents(remembered)
        key = digest_entries(upload.entries, contents, owner=(0, 0))
        if not (self.trees / key).is_dir():
            self.trees.mkdir(parents=True, exist_ok=True)
            sweep(self.trees)
            old = self.trees / remembered.key if remembered.key else None
            upload.write(self.trees / key, contents, old)
        files = {
            entry.path: (mark_of(entry.stat), contents[entry.path])
            for entry in upload.files
            if settled(entry.stat, now_ns)
        }
        if unsure or key != remembered.key or len(files) != len(remembered.files):
            HashIndex(key, files).save(index)
        return key


class _ChangedError(OSError):
    """A file changed while it was read."""

    def __init__(self, path: str) -> None:
        super().__init__(errno.EBUSY, "changes while it is read; stop what writes to it or exclude it", path)


class _Upload:
    """One look at a host folder: what is there, and how to read it."""

    __slots__ = ("alias", "entries", "files", "root")

    def __init__(self, root: Path, entries: Iterable[Entry], alias: str | None = None) -> None:
        """`alias` is the name on the host of the only entry, if it has another."""
        self.root = os.fspath(root)
        self.entries = [entry for entry in entries if not stat.S_ISSOCK(entry.stat.st_mode)]
        self.files = [entry for entry in self.entries if stat.S_ISREG(entry.stat.st_mode)]
        self.alias = alias

    def place(self, entry: Entry) -> str:
        """Give where an entry is on the host."""
        return f"{self.root}/{self.alias or entry.path}"

    def contents(self, remembered: HashIndex) -> tuple[dict[str, str], int]:
        """Give each file's sha256, each link's target; how many were read."""
        known = {entry.path: remembered.known(entry.path, entry.stat) for entry in self.files}
        unsure = [entry for entry in self.files if known[entry.path] is None]
        with ThreadPoolExecutor(HASH_THREADS) as pool:
            fresh = list(pool.map(lambda entry: self.read(entry, None), unsure))
        contents = {path: sha for path, sha in known.items() if sha}
        contents |= {entry.path: sha for entry, sha in zip(unsure, fresh, strict=True)}
        contents |= {
            entry.path: os.readlink(self.place(entry))
            for entry in self.entries
            if stat.S_ISLNK(entry.stat.st_mode)
        }
        return contents, len(unsure)

    def read(self, entry: Entry, copy_to: str | None) -> str:
        """Hash a file, copying it on the way if asked; 64 hex digits.

        Raises:
            _ChangedError: it is not, or no longer, the file that was listed.

        """
        with io.FileIO(os.open(self.place(entry), _READ)) as source:
            sha = _pour(source, copy_to) if copy_to else hashlib.file_digest(source, "sha256").hexdigest()
            if mark_of(os.fstat(source.fileno())) != mark_of(entry.stat):
                raise _ChangedError(self.place(entry))
        return sha

    def write(self, final: Path, contents: dict[str, str], old: Path | None) -> None:
        """Write the tree; what `old` has alike is linked, the rest copied."""
        with contextlib.suppress(FileExistsError), staged(final) as here:
            here.mkdir()
            for entry in self.entries:
                self.make(entry, os.fspath(here / entry.path), contents)
            with ThreadPoolExecutor(HASH_THREADS) as pool:
                jobs = [
                    pool.submit(self.fill, entry, here, contents[entry.path], old) for entry in self.files
                ]
                for job in jobs:
                    job.result()
            for entry in reversed(self.entries):
                if entry.is_directory:
                    _finish(here / entry.path, entry.stat)
            here.chmod(ROOT_MODE)

    def make(self, entry: Entry, dest: str, contents: dict[str, str]) -> None:
        """Make a folder, link or device; files come later."""
        kind = stat.S_IFMT(entry.stat.st_mode)
        if kind == stat.S_IFDIR:
            os.mkdir(dest, 0o700)
        elif kind == stat.S_IFLNK:
            os.symlink(contents[entry.path], dest)
            os.utime(dest, ns=(entry.stat.st_mtime_ns, entry.stat.st_mtime_ns), follow_symlinks=False)
        elif kind != stat.S_IFREG:
            os.mknod(dest, entry.stat.st_mode, entry.stat.st_rdev)

    def fill(self, entry: Entry, here: Path, sha: str, old: Path | None) -> None:
        """Link a file from the last tree, else copy it and check its hash."""
        dest = here / entry.path
        if old and _link_alike(old / entry.path, dest, entry.stat):
            return
        if self.read(entry, os.fspath(dest)) != sha:
            raise _ChangedError(self.place(entry))
        _finish(dest, entry.stat)


def _pour(source: io.FileIO, dest: str) -> str:
    """Copy a file's rest into a new one; give the sha256 of the copy."""
    digest = hashlib.sha256()
    with io.FileIO(dest, "x") as copy:
        while block := source.read(_CHUNK_BYTES):
            digest.update(block)
            copy.write(block)
    return digest.hexdigest()


def _finish(path: Path, state: os.stat_result) -> None:
    path.chmod(stat.S_IMODE(state.st_mode))
    os.utime(path, ns=(state.st_mtime_ns, state.st_mtime_ns))


def _link_alike(old: Path, dest: Path, state: os.stat_result) -> bool:
    """Link `old` if it has the size, mode and time that are wanted."""
    try:
        there = os.lstat(old)
        wanted = (state.st_mode, state.st_size, state.st_mtime_ns)
        if (there.st_mode, there.st_size, there.st_mtime_ns) != wanted:
            return False
        os.link(old, dest)
    except OSError:
        return False
    return True


def _git_top(root: Path) -> Path:
    """Give the nearest folder from `root` upward that holds .git, else `root`."""
    return next((folder for folder in (root, *root.parents) if (folder / ".git").exists()), root)
