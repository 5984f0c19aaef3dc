"""Which files git tracks, read from a repository's index: the builder has no git program."""

import hashlib
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

HEADER: Final = struct.Struct(">4sII")
STAT: Final = 40
"""Bytes of an entry before the object's name. Source: gitformat-index(5)."""
MODE_AT: Final = 24
FOLDER_MODES: Final = (0o160000, 0o040000)
"""A submodule, and a folder of a sparse index: the files below it have no entries of their own."""
EXTENDED: Final = 0x4000
PREFIXES: Final = 4
"""First version whose names leave out what they share with the name before."""


@dataclass(frozen=True, slots=True)
class Tracked:
    """What a repository tracks."""

    files: frozenset[str]
    folders: frozenset[str]
    """Folders tracked as a whole."""
    above: frozenset[str]
    """Folders that something tracked is in."""

    @classmethod
    def read(cls, root: Path) -> "Tracked | None":
        """Return what a folder's repository tracks; None where the folder has no readable index."""
        path = root / ".git/index"
        entries = index_entries(path.read_bytes()) if path.is_file() else None
        if entries is None:
            return None
        folders = frozenset(name.rstrip("/") for name, mode in entries if mode in FOLDER_MODES)
        files = frozenset(name for name, mode in entries if mode not in FOLDER_MODES)
        above = {str(folder) for name in (*files, *folders) for folder in Path(name).parents}
        return cls(files, folders, frozenset(above))

    def match(self, path: str) -> bool:
        """Return whether a file is tracked."""
        return path in self.files or any(str(folder) in self.folders for folder in Path(path).parents)

    def untracked_top(self, path: str) -> str:
        """Return the topmost folder of an untracked file in which nothing is tracked, or the file."""
        folders = [str(folder) for folder in reversed(Path(path).parents)]
        return next((folder for folder in folders if folder not in self.above), path)


def index_entries(index: bytes) -> list[tuple[str, int]] | None:
    """Return path and mode of each entry of an index; None where the index alone does not tell."""
    magic, version, count = HEADER.unpack_from(index)
    if magic != b"DIRC":
        return None
    digest = 32 if hashlib.sha256(index[:-32]).digest() == index[-32:] else 20
    entries, at, name = [], HEADER.size, b""
    for _ in range(count):
        (mode,) = struct.unpack_from(">I", index, at + MODE_AT)
        (flags,) = struct.unpack_from(">H", index, at + STAT + digest)
        start = at + STAT + digest + (4 if flags & EXTENDED else 2)
        kept = b""
        if version >= PREFIXES:
            dropped, start = _varint(index, start)
            kept = name[: len(name) - dropped]
        end = index.index(b"\0", start)
        name = kept + index[start:end]
        at = end + 1 if version >= PREFIXES else at + (end - at) // 8 * 8 + 8
        entries.append((name.decode(errors="surrogateescape"), mode))
    return None if _is_split(index, at, digest) else entries


def _varint(index: bytes, at: int) -> tuple[int, int]:
    """Return a number as a pack's offsets are written, and where it ends."""
    value = index[at] & 127
    while index[at] & 128:
        at += 1
        value = ((value + 1) << 7) | (index[at] & 127)
    return value, at + 1


def _is_split(index: bytes, at: int, digest: int) -> bool:
    """Return whether the extensions say that other entries are in a shared index."""
    while at + 8 <= len(index) - digest:
        name, size = struct.unpack_from(">4sI", index, at)
        if name == b"link":
            return True
        at += 8 + size
    return False
