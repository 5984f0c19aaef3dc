"""Read what a shared object or program needs, and find it as the dynamic loader would."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from elftools.common.exceptions import ELFError  # type: ignore[import-not-found]
from elftools.elf.elffile import ELFFile  # type: ignore[import-not-found]

MAGIC = b"\x7fELF"


@dataclass(frozen=True)
class Elf:
    """What the dynamic section of one file says."""

    path: Path
    needed: tuple[str, ...]
    """Sonames, in order."""
    runpath: tuple[str, ...]
    """RPATH or RUNPATH folders, $ORIGIN resolved."""
    interpreter: str
    """Path of the dynamic loader; "" for a library."""


def read_elf(path: Path) -> Elf | None:
    """Return what an ELF file needs; None for any other file and for static ones."""
    with path.open("rb") as stream:
        if stream.read(4) != MAGIC:
            return None
        try:
            elf = ELFFile(stream)
            dynamic = next((part for part in elf.iter_segments("PT_DYNAMIC")), None)
            tags = list(dynamic.iter_tags()) if dynamic else []
            interpreters = [part.get_interp_name() for part in elf.iter_segments("PT_INTERP")]
        except ELFError as error:
            raise ValueError(f"{path}: broken ELF file: {error}") from error
    origin = str(path.resolve().parent)
    folders = [
        folder.replace("$ORIGIN", origin).replace("${ORIGIN}", origin)
        for tag in tags
        if tag.entry.d_tag in ("DT_RPATH", "DT_RUNPATH")
        for folder in str(getattr(tag, "rpath", "") or getattr(tag, "runpath", "")).split(":")
    ]
    return Elf(
        path=path,
        needed=tuple(tag.needed for tag in tags if tag.entry.d_tag == "DT_NEEDED"),
        runpath=tuple(os.path.normpath(folder) for folder in folders if folder),
        interpreter=interpreters[0] if interpreters else "",
    )


def elf_files(root: Path) -> Iterator[Elf]:
    """Yield every dynamic ELF file below a folder, links left out, in order of path."""
    for path in sorted(root.rglob("*")):
        if path.is_file() and not path.is_symlink() and (elf := read_elf(path)):
            yield elf


def loader_folders() -> list[Path]:
    """Return the folders that the dynamic loader searches: ld.so.conf, then its built-in ones."""
    found: list[Path] = []
    for conf in sorted(Path("/etc/ld.so.conf.d").glob("*.conf")):
        lines = (line.strip() for line in conf.read_text().splitlines())
        found += [Path(line) for line in lines if line.startswith("/")]
    multiarch = sorted(Path("/usr/lib").glob("*-linux-gnu*"))
    found += [*multiarch, Path("/usr/lib64"), Path("/usr/lib"), Path("/lib64")]
    return [folder for folder in dict.fromkeys(found) if folder.is_dir()]


def find_library(soname: str, elf: Elf, folders: list[Path]) -> Path | None:
    """Return the file that the loader would take for a soname, or None."""
    if "/" in soname:
        return Path(soname) if Path(soname).exists() else None
    for folder in (*map(Path, elf.runpath), *folders):
        if (folder / soname).exists():
            return folder / soname
    return None
