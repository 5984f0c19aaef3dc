"""Write the headers of a layer's tar as Dagger writes them."""

import tarfile
from pathlib import Path
from typing import BinaryIO, Final

MODE: Final = slice(100, 108)
SIZE: Final = slice(124, 136)
CHECKSUM: Final = slice(148, 156)
MODE_BITS: Final = 0o7777
"""Permissions and the three special bits. buildah writes the file's type in the field, too."""


def mask_modes(path: Path) -> None:
    """Reduce the mode field of every header of a tar to its permissions; nothing else changes.

    Raises:
        ValueError: the file is not a valid tar archive.

    """
    with path.open("r+b") as archive:
        while len(header := archive.read(tarfile.BLOCKSIZE)) == tarfile.BLOCKSIZE and any(header):
            size = _number(header[SIZE])
            mode = _number(header[MODE])
            if mode & ~MODE_BITS:
                _rewrite(archive, header, mode & MODE_BITS)
            archive.seek((size + tarfile.BLOCKSIZE - 1) // tarfile.BLOCKSIZE * tarfile.BLOCKSIZE, 1)


def _rewrite(archive: BinaryIO, header: bytes, mode: int) -> None:
    changed = bytearray(header)
    changed[MODE] = b"%07o\0" % mode
    changed[CHECKSUM] = b" " * 8
    changed[CHECKSUM] = b"%06o\0 " % sum(changed)
    archive.seek(-tarfile.BLOCKSIZE, 1)
    archive.write(changed)


def _number(text: bytes) -> int:
    """Read a number field: octal digits, or base 256 for what needs more of them."""
    if text[0] & 0x80:
        return int.from_bytes(bytes([text[0] & 0x7F]) + text[1:])
    digits = text.strip(b" \0")
    return int(digits, 8) if digits else 0
