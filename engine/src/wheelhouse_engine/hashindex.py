"""Remember the hashes of host files between syncs, without trusting too much."""

import hashlib
import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from wheelhouse_engine.staging import write_whole

RACY_NS: Final = 2_000_000_000
"""A file changed less than this before it was hashed may have changed again within
the same clock tick, unseen. Source: coarsest time stamp in use (FAT, 2 s)."""

FORMAT: Final = 1
"""Raised when the layout changes; files of another format are ignored."""

Mark = tuple[int, int, int, int]
"""Size, mtime ns, ctime ns, inode: equal as long as a file was not touched."""


def mark_of(state: os.stat_result) -> Mark:
    """Give what tells a touched file from an untouched one."""
    return state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino


@dataclass(frozen=True, slots=True)
class HashIndex:
    """What the last sync of one host folder found."""

    key: str = ""
    """Digest of the tree it made; "" if unknown."""
    files: dict[str, tuple[Mark, str]] = field(default_factory=dict)
    """Relative path -> mark and content sha256."""

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read an index; a missing, damaged or foreign one is empty.

        So is one written in the future: the clock went back, and marks may repeat.
        """
        try:
            checksum, _, body = path.read_bytes().partition(b"\n")
            if checksum.decode() != hashlib.sha256(body).hexdigest():
                return cls()
            content = json.loads(body)
            if content["format"] != FORMAT or content["written_ns"] > time.time_ns():
                return cls()
            rows = content["files"].items()
            files = {name: ((size, mtime, ctime, ino), sha) for name, (size, mtime, ctime, ino, sha) in rows}
            return cls(content["key"], files)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return cls()

    def save(self, path: Path) -> None:
        """Write the index at once; of two writers the last one wins.

        Raises:
            OSError: what the system refuses.

        """
        files = {name: (*mark, sha) for name, (mark, sha) in self.files.items()}
        content = {"format": FORMAT, "written_ns": time.time_ns(), "key": self.key, "files": files}
        body = json.dumps(content, separators=(",", ":")).encode()
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, hashlib.sha256(body).hexdigest().encode() + b"\n" + body)

    def known(self, name: str, state: os.stat_result) -> str | None:
        """Give the hash of a file that was not touched since; None if unsure."""
        mark, sha = self.files.get(name, (None, None))
        return sha if mark == mark_of(state) else None


def settled(state: os.stat_result, hashed_at_ns: int) -> bool:
    """Tell whether a file's last change is safely before it was hashed.

    A change in the future (the clock went back) is not.
    """
    return state.st_ctime_ns < hashed_at_ns - RACY_NS
