"""Remove from tar headers what depends on the engine that wrote them: file type bits in the mode field.

Dagger writes 0o755 for a folder, buildah 0o40755. The type is in a field of its own, so nothing is lost.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

RECORD: Final = 512
MODE: Final = slice(100, 108)
SIZE: Final = slice(124, 136)
CHECKSUM: Final = slice(148, 156)
TYPE: Final = 156
BASE_256: Final = 0x80
"""First byte of a number too large for octal digits. Source: GNU tar manual, "Extensions"."""
PERMISSIONS: Final = 0o7777


@dataclass(slots=True)
class ModeMask:
    """Rewriter of a tar stream that arrives in blocks of any length."""

    _waiting: bytearray = field(default_factory=bytearray)
    _content: int = 0
    """Bytes of the current entry that are still to be passed on."""
    _pax: bytearray | None = None
    """Extended header that is being read."""
    _size: int | None = None
    """Size of the next entry where an extended header gives it."""

    def feed(self, block: bytes) -> bytes:
        """Return what is complete of the rewritten stream."""
        self._waiting += block
        return b"".join(self._parts())

    def flush(self) -> bytes:
        """Return the rest: an incomplete record, which is not a header."""
        rest = bytes(self._waiting)
        self._waiting.clear()
        return rest

    def _parts(self) -> Iterator[bytes]:
        while self._waiting:
            if self._content:
                part = bytes(self._waiting[: self._content])
                del self._waiting[: len(part)]
                self._passed(part)
                yield part
            elif len(self._waiting) >= RECORD:
                header = bytes(self._waiting[:RECORD])
                del self._waiting[:RECORD]
                yield self._header(header)
            else:
                return

    def _passed(self, part: bytes) -> None:
        self._content -= len(part)
        if self._pax is not None:
            self._pax += part
            if not self._content:
                self._size = _pax_size(bytes(self._pax))
                self._pax = None

    def _header(self, header: bytes) -> bytes:
        if not any(header):
            return header
        size = _number(header[SIZE])
        if header[TYPE : TYPE + 1] in (b"x", b"g"):
            self._pax = bytearray() if header[TYPE : TYPE + 1] == b"x" else None
        elif self._size is not None:
            size, self._size = self._size, None
        self._content = -(-size // RECORD) * RECORD
        return _masked(header)


def _masked(header: bytes) -> bytes:
    """Return the header with permissions only in its mode field, and the checksum to match."""
    if header[MODE.start] & BASE_256:
        return header
    mode = _number(header[MODE])
    if mode == mode & PERMISSIONS:
        return header
    changed = bytearray(header)
    changed[MODE] = b"%07o\0" % (mode & PERMISSIONS)
    changed[CHECKSUM] = b" " * 8
    changed[CHECKSUM] = b"%06o\0 " % sum(changed)
    return bytes(changed)


def _number(content: bytes) -> int:
    if content[0] & BASE_256:
        return int.from_bytes(content, "big") & ((1 << (8 * len(content) - 1)) - 1)
    return int(content.rstrip(b"\0 ").lstrip() or b"0", 8)


def _pax_size(content: bytes) -> int | None:
    """Return the record `size` of an extended header: lines of `LENGTH KEY=VALUE`."""
    found, place = None, 0
    while place < len(content) and content[place]:
        length = int(content[place : content.index(b" ", place)])
        record = content[content.index(b" ", place) + 1 : place + length - 1]
        if record.startswith(b"size="):
            found = int(record.removeprefix(b"size="))
        place += length
    return found
