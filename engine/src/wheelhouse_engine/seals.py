"""Notice that stored files were changed behind the engine's back: truncated, overwritten, removed.

What is stored never changes, so that size, mode and time of its files are a
seal: made when a tree or a layer is stored, compared when a session first
reads it. A walk costs some microseconds a file; contents are not read again,
so what flips a bit below the file system is not noticed.
"""

import hashlib
import os
import secrets
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Seals:
    """Keep one seal per name in a folder."""

    folder: Path

    def put(self, name: str, thing: Path) -> None:
        """Seal a folder as it is now."""
        self.folder.mkdir(exist_ok=True)
        draft = self.folder / f".{secrets.token_hex(8)}"
        draft.write_text(seal_of(thing))
        draft.rename(self.folder / name)

    def intact(self, name: str, thing: Path) -> bool:
        """Say whether a folder is as it was sealed; one that never was is sealed now."""
        if not thing.is_dir():
            return False
        try:
            known = (self.folder / name).read_text()
        except FileNotFoundError:
            self.put(name, thing)
            return True
        return known == seal_of(thing)

    def drop(self, name: str) -> None:
        """Forget the seal of a thing that was removed."""
        (self.folder / name).unlink(missing_ok=True)

    def sweep(self, held: set[str]) -> None:
        """Forget the seals of everything but what is held."""
        if self.folder.is_dir():
            for path in self.folder.iterdir():
                if path.name not in held:
                    path.unlink(missing_ok=True)


def seal_of(folder: Path) -> str:
    """Return 64 hex digits over path, mode, size and time of everything in a folder."""
    digest = hashlib.sha256()
    for line in sorted(_lines(os.fspath(folder), "")):
        digest.update(line)
    return digest.hexdigest()


def _lines(folder: str, inner: str) -> Iterator[bytes]:
    with os.scandir(folder) as entries:
        for entry in entries:
            name = f"{inner}/{entry.name}"
            found = entry.stat(follow_symlinks=False)
            if stat.S_ISDIR(found.st_mode):
                yield f"{name}\0{found.st_mode}\n".encode(errors="surrogateescape")
                yield from _lines(entry.path, name)
            else:
                state = f"{name}\0{found.st_mode} {found.st_size} {found.st_mtime_ns}\n"
                yield state.encode(errors="surrogateescape")
