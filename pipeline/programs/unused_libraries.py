"""Drop CUDA libraries that are linked and never called: their users name them and use no symbol of them."""

import struct
from pathlib import Path

from elf import elf_files
from elf_symbols import read_symbols
from elftools.elf.elffile import ELFFile  # type: ignore[import-not-found]

ENTRY = struct.Struct("<QQ")
"""One entry of the dynamic section: tag, value. Source: ELF-64 object file format."""
NEEDED = 1


def drop_unused(site: Path) -> list[tuple[Path, int]]:
    """Delete each library below site/nvidia whose users use no symbol of it, and their links to it.

    A library that nobody links is left alone: another may load it by its name.

    Returns:
        The deleted files, with their bytes.

    """
    files = list(elf_files(site))
    wanted = {elf.path: {name for name, _ in read_symbols(elf.path).wanted} for elf in files}
    dropped = []
    for elf in files:
        users = [user for user in files if elf.path.name in user.needed]
        if not users or not elf.path.is_relative_to(site / "nvidia"):
            continue
        given = {name for name, _ in read_symbols(elf.path).given}
        if any(wanted[user.path] & given for user in users):
            continue
        for user in users:
            unlink_needed(user.path, elf.path.name)
        dropped.append((elf.path, elf.path.stat().st_size))
        elf.path.unlink()
    return dropped


def unlink_needed(path: Path, soname: str) -> None:
    """Remove one NEEDED entry from a file's dynamic section, in place; every address stays."""
    with path.open("r+b") as stream:
        segment = next(ELFFile(stream).iter_segments("PT_DYNAMIC"))
        number = next(
            place
            for place, tag in enumerate(segment.iter_tags())
            if tag.entry.d_tag == "DT_NEEDED" and tag.needed == soname
        )
        start, size = segment["p_offset"], segment["p_filesz"]
        stream.seek(start)
        entries = stream.read(size)
        at = number * ENTRY.size
        tag, _ = ENTRY.unpack_from(entries, at)
        if tag != NEEDED:
            raise ValueError(f"{path}: entry {number} of the dynamic section is {tag}, expected {NEEDED}")
        stream.seek(start)
        stream.write(entries[:at] + entries[at + ENTRY.size :] + bytes(ENTRY.size))
