"""Keep what was made: records by digest, folders by digest, cache volumes, locks.

Layout below the root::

    records/ab/abcd….json   what one operation gave: an image id, outputs, an answer
    trees/<key>/            an immutable folder; renamed into place, never written after
    caches/<key>/           cache volumes, writable
    work/<session>/         scratch of one process; removed when it ends or dies
    storage/                containers-storage: the committed images
    uses/<name>             empty; its time is when the thing of that name was last used
    seals/<name>            what a tree or a layer looked like when it was stored
    locks/<key>             held with flock, so that they die with their process
"""

import asyncio
import contextlib
import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import platformdirs

from wheelhouse_engine.diskspace import NUMBERS, readable
from wheelhouse_engine.errors import StoreError
from wheelhouse_engine.privileges import is_machine_root, user_id
from wheelhouse_engine.seals import Seals

FORMAT: Final = "v1"
"""Names the folder, so that a store of another layout is never read."""


@dataclass(frozen=True, slots=True)
class Store:
    """Give paths and atomic writes below one root folder."""

    root: Path

    @classmethod
    def open(cls, environ: Mapping[str, str]) -> "Store":
        """Open `WHEELHOUSE_STORE`, else the user's cache folder.

        Raises StoreError when the folder cannot be written.
        """
        store = cls(cls.place(environ))
        try:
            for name in (
                "records",
                "trees",
                "caches",
                "work",
                "uses",
                "locks",
                "sessions",
                "storage",
                "modules",
            ):
                (store.root / name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            if error.errno in NUMBERS:
                raise readable(error, store.root) from error
            raise StoreError(
                f"the store {store.root} cannot be used: {error.strerror}. "
                "Make it writable or set WHEELHOUSE_STORE to a folder that is."
            ) from error
        return store

    @staticmethod
    def place(environ: Mapping[str, str]) -> Path:
        """Return the root folder that the environment names, whether or not it exists."""
        given = environ.get("WHEELHOUSE_STORE")
        home = environ.get("XDG_CACHE_HOME")
        base = Path(given) if given else (Path(home) / "wheelhouse" if home else _user_cache())
        return base.expanduser().absolute() / FORMAT

    @property
    def trees(self) -> Path:
        """Return the folder of immutable folders."""
        return self.root / "trees"

    @property
    def modules(self) -> Path:
        """Return the folder of modules that were fetched from elsewhere."""
        return self.root / "modules"

    @property
    def seals(self) -> Seals:
        """Return what trees and layers looked like when they were stored."""
        return Seals(self.root / "seals")

    @property
    def storage(self) -> Path:
        """Return the root of containers-storage."""
        return self.root / "storage"

    @property
    def runroot(self) -> Path:
        """Return where containers-storage keeps what dies with the machine's uptime.

        Its mount counts must not survive a reboot, so it lives on a tmpfs.
        """
        base = Path("/run") if is_machine_root() else Path(os.environ.get("XDG_RUNTIME_DIR", "/tmp"))  # noqa: S108
        return base / f"wheelhouse-{user_id()}" / self.root.as_posix().strip("/").replace("/", "-")[-80:]

    def _record(self, key: str) -> Path:
        return self.root / "records" / key[:2] / f"{key}.json"

    def read(self, key: str) -> dict[str, Any] | None:
        """Return what was recorded under a key; a damaged record counts as none and is removed."""
        path = self._record(key)
        try:
            data = json.loads(path.read_text())
        except FileNotFoundError:
            return None
        except (ValueError, UnicodeDecodeError):
            path.unlink(missing_ok=True)
            return None
        return data if isinstance(data, dict) else None

    def write(self, key: str, data: Mapping[str, Any]) -> None:
        """Record under a key; readers see the old record or the new one, never a part."""
        path = self._record(key)
        path.parent.mkdir(exist_ok=True)
        write_atomically(path, json.dumps(data).encode())

    def forget(self, key: str) -> None:
        """Remove a record whose result turned out to be gone."""
        self._record(key).unlink(missing_ok=True)

    def tree(self, key: str) -> Path:
        """Return where the folder of a key is or will be."""
        return self.trees / key

    def has_tree(self, key: str) -> bool:
        """Say whether the folder of a key is complete; who asks is about to use it."""
        if not self.tree(key).is_dir():
            return False
        self.used(key)
        return True

    def keep_tree(self, made: Path, key: str) -> None:
        """Move a finished folder to its key; the first of two makers wins."""
        self.seals.put(key, made)
        try:
            made.rename(self.tree(key))
        except OSError:
            if not self.has_tree(key):
                raise
            shutil.rmtree(made)
            self.seals.drop(key)  # of the other maker's: sealed when it is first read

    def discard_tree(self, key: str) -> None:
        """Remove a damaged tree, at once: renamed away first."""
        away = self.trees / f".gone-{key}-{os.getpid()}"
        with contextlib.suppress(FileNotFoundError):
            self.tree(key).rename(away)
        shutil.rmtree(away, ignore_errors=True)
        self.unused(key)

    def used(self, name: str) -> None:
        """Note that a tree, an image or a cache volume is used now."""
        path = self.root / "uses" / name
        try:
            os.utime(path)
        except FileNotFoundError:
            path.touch()

    def unused(self, name: str) -> None:
        """Drop the note of a thing that was removed."""
        (self.root / "uses" / name).unlink(missing_ok=True)
        self.seals.drop(name)

    def last_use(self, name: str, thing: Path) -> float:
        """Return when a thing was last used, seconds since 1970; without a note, when it was made."""
        for path in (self.root / "uses" / name, thing):
            with contextlib.suppress(OSError):
                found = path.stat()
                return found.st_mtime if path != thing else found.st_ctime
        return 0.0

    def live_sessions(self) -> list[float]:
        """Return when each live session of this store began, seconds since 1970."""
        from wheelhouse_engine.sessions import alive  # noqa: PLC0415 - the two refer to each other

        return [path.stat().st_mtime for path in (self.root / "sessions").iterdir() if alive(path)]

    def prune(self, keep_bytes: int) -> int:
        """Remove what was unused for longest until at most `keep_bytes` are held.

        Safe while sessions run. Returns how many bytes were freed.
        """
        from wheelhouse_engine import pruning  # noqa: PLC0415 - only for `wheelhouse prune`

        return pruning.prune(self, keep_bytes)

    @contextlib.contextmanager
    def exclusive(self, key: str) -> Iterator[None]:
        """Hold a lock, waiting for it without an event loop."""
        with (self.root / "locks" / key).open("w") as file:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX)
            yield

    def cache(self, key: str) -> Path:
        """Return the folder of a cache volume."""
        return self.root / "caches" / key

    @contextlib.asynccontextmanager
    async def lock(self, key: str) -> AsyncIterator[None]:
        """Hold a lock that other processes respect and that dies with this one."""
        with (self.root / "locks" / key).open("w") as file:
            wait_s = 0.005
            while not _try_lock(file.fileno()):
                await asyncio.sleep(wait_s)
                wait_s = min(wait_s * 2, 0.2)
            yield

    @contextlib.contextmanager
    def first_free(self, key: str) -> Iterator[str]:
        """Hold the first lock of `key`, `key-2`, `key-3`, … that nobody has; give its name."""
        number = 1
        while True:
            name = key if number == 1 else f"{key}-{number}"
            with (self.root / "locks" / name).open("w") as file:
                if _try_lock(file.fileno()):
                    yield name
                    return
            number += 1

    @contextlib.contextmanager
    def scratch(self, session: str) -> Iterator[Path]:
        """Give a new folder on the store's file system; removed afterwards."""
        base = self.root / "work" / session
        base.mkdir(parents=True, exist_ok=True)
        path = Path(tempfile.mkdtemp(dir=base))
        path.chmod(0o755)
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that a crash leaves the old content or the new."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".tmp-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        Path(name).rename(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _user_cache() -> Path:
    return Path(platformdirs.user_cache_dir("wheelhouse"))
