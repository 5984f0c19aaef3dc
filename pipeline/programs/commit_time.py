"""Print when a commit was made, from a .git folder alone: no git program is needed.

`python3 commit_time.py GIT_DIR COMMIT` prints seconds since 1970, the committer's time.
"""

import re
import struct
import sys
import zlib
from pathlib import Path
from typing import Final

FANOUT: Final = 256
COMMIT_TYPE: Final = 1
LARGE_OFFSET: Final = 1 << 31
"""Source: gitformat-pack(5), pack index version 2 and pack entries."""


def commit_time(git: Path, commit: str) -> int:
    """Return the committer's time of a commit.

    Raises:
        LookupError: the folder does not have the commit, or has it as a delta.

    """
    text = _loose(git, commit) or _packed(git, bytes.fromhex(commit))
    found = re.search(rb"^committer .*> (\d+) [+-]\d{4}$", text, re.MULTILINE)
    if not found:
        raise LookupError(f"commit {commit} names no committer. Pass the time with --created")
    return int(found.group(1))


def _loose(git: Path, commit: str) -> bytes:
    path = git / "objects" / commit[:2] / commit[2:]
    return zlib.decompress(path.read_bytes()) if path.is_file() else b""


def _packed(git: Path, name: bytes) -> bytes:
    for index in sorted((git / "objects" / "pack").glob("*.idx")):
        offset = _offset(index.read_bytes(), name)
        if offset is not None:
            return _entry(index.with_suffix(".pack").read_bytes(), offset)
    raise LookupError(f"no commit {name.hex()} in {git}. Check the whole repository out")


def _offset(index: bytes, name: bytes) -> int | None:
    """Return where an object is in the pack, or None when it is not in it."""
    fanout = struct.unpack_from(f">{FANOUT}I", index, 8)
    names = 8 + 4 * FANOUT
    first = fanout[name[0] - 1] if name[0] else 0
    for place in range(first, fanout[name[0]]):
        at = names + place * len(name)
        if index[at : at + len(name)] == name:
            offsets = names + fanout[-1] * (len(name) + 4)
            offset: int = struct.unpack_from(">I", index, offsets + 4 * place)[0]
            if offset < LARGE_OFFSET:
                return offset
            large = offsets + 4 * fanout[-1] + 8 * (offset - LARGE_OFFSET)
            return int(struct.unpack_from(">Q", index, large)[0])
    return None


def _entry(pack: bytes, offset: int) -> bytes:
    byte = pack[offset]
    if (byte >> 4) & 7 != COMMIT_TYPE:
        raise LookupError("the commit is stored as a difference. Pass the time with --created")
    while byte & 0x80:
        offset += 1
        byte = pack[offset]
    return zlib.decompressobj().decompress(pack[offset + 1 :])


if __name__ == "__main__":
    try:
        print(commit_time(Path(sys.argv[1]), sys.argv[2]))
    except LookupError as error:
        sys.exit(f"error: {error}")
