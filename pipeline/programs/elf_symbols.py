"""Read which symbols a shared object gives and which it wants, with their versions."""

import struct
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elftools.elf.elffile import ELFFile  # type: ignore[import-not-found]

SYMBOL = struct.Struct("<IBBHQQ")
"""One entry of .dynsym: name, info, other, section, value, size. Source: ELF-64 object file format."""
GLOBAL = 1
WEAK = 2
INDEX = 0x7FFF
"""Bits of a .gnu.version entry that are its index; the highest one hides the symbol."""
NAMED = 2
"""Smallest index of a .gnu.version entry that names a version; 0 is local, 1 has none."""


@dataclass(frozen=True)
class Symbols:
    """The dynamic symbols of one file; a version is "" where the file names none."""

    given: frozenset[tuple[str, str]]
    """(name, version) of each symbol that others can use; also (name, "") for each."""
    wanted: frozenset[tuple[str, str]]
    """(name, version) of each symbol that must be found elsewhere; weak ones may stay unfound."""
    versioned: bool
    """Whether the file says versions of what it gives."""

    def gives(self, name: str, version: str) -> bool:
        """Tell whether the loader would take a symbol from here."""
        return (name, version if self.versioned else "") in self.given


def read_symbols(path: Path) -> Symbols:
    """Return the symbols of a 64-bit ELF file."""
    with path.open("rb") as stream:
        elf = ELFFile(stream)
        table = next((part for part in elf.iter_sections() if part["sh_type"] == "SHT_DYNSYM"), None)
        if table is None:
            return Symbols(frozenset(), frozenset(), versioned=False)
        strings = elf.get_section(table["sh_link"]).data()
        indexes = array("H", section.data() if (section := _section(elf, "SHT_GNU_versym")) else b"")
        wanted_versions, given_versions = dict(_wanted_versions(elf)), dict(_given_versions(elf))
        entries = list(SYMBOL.iter_unpack(table.data()))
    given, wanted = set(), set()
    for number, (at, info, _, place, _, _) in enumerate(entries):
        index = indexes[number] & INDEX if indexes else 0
        name = strings[at : strings.index(b"\0", at)].decode()
        if place == 0 and info >> 4 == GLOBAL and name:
            wanted.add((name, wanted_versions.get(index, "")))
        elif place and info >> 4 in {GLOBAL, WEAK, 10}:  # 10: unique, which C++ uses
            given |= {(name, ""), (name, given_versions.get(index, ""))}
    return Symbols(frozenset(given), frozenset(wanted), versioned=bool(given_versions))


def _section(elf: ELFFile, kind: str) -> Any:
    return next((part for part in elf.iter_sections() if part["sh_type"] == kind), None)


def _wanted_versions(elf: ELFFile) -> Iterator[tuple[int, str]]:
    section = _section(elf, "SHT_GNU_verneed")
    for _, versions in section.iter_versions() if section else ():
        for version in versions:
            yield version["vna_other"] & INDEX, version.name


def _given_versions(elf: ELFFile) -> Iterator[tuple[int, str]]:
    section = _section(elf, "SHT_GNU_verdef")
    for definition, names in section.iter_versions() if section else ():
        if definition["vd_ndx"] >= NAMED:
            yield definition["vd_ndx"], next(iter(names)).name
