"""Drop CUDA libraries that are linked and never called: their users name them and use no symbol of them."""

import subprocess
from pathlib import Path

from elf import elf_files
from elf_symbols import read_symbols


def drop_unused(site: Path) -> tuple[list[tuple[Path, int]], list[Path]]:
    """Delete each library below site/nvidia whose users use no symbol of it, and their links to it.

    A library that nobody links is left alone: another may load it by its name.

    Returns:
        The deleted files, with their bytes, and the files that lost a link.

    """
    files = list(elf_files(site))
    wanted = {elf.path: {name for name, _ in read_symbols(elf.path).wanted} for elf in files}
    dropped, changed = [], []
    for elf in files:
        users = [user for user in files if elf.path.name in user.needed]
        if not users or not elf.path.is_relative_to(site / "nvidia"):
            continue
        given = {name for name, _ in read_symbols(elf.path).given}
        if any(wanted[user.path] & given for user in users):
            continue
        for user in users:
            unlink_needed(user.path, elf.path.name)
            changed.append(user.path)
        dropped.append((elf.path, elf.path.stat().st_size))
        elf.path.unlink()
    return dropped, changed


def unlink_needed(path: Path, soname: str) -> None:
    """Remove one NEEDED entry from a file's dynamic section; every address stays."""
    subprocess.run(["patchelf", "--remove-needed", soname, str(path)], check=True)
