"""Find every symbol that the environment's libraries import, in the image that will run them.

    prove_symbols.py --site /opt/venv

For each ELF file below SITE: what it wants must be given, in the wanted version, by the libraries that it
links, by the interpreter that loads it, or by another library of the environment, which its package loads
first. Symbols of the NVIDIA driver are the host's. Exit status 1 when one is found nowhere; all are listed.
"""

import argparse
import re
import sys
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from elf import Elf, elf_files, find_library, loader_folders, read_elf
from elf_symbols import Symbols, read_symbols
from rootfs_rules import HOST_DRIVER

DRIVER_SYMBOL = re.compile(r"cu[A-Z]|nvml[A-Z]|cuvid")
"""Names that libcuda, libnvidia-ml and libnvcuvid give. Source: their public headers."""
SHOWN = 4
"""Symbols named of those that a file misses."""
CUDA = re.compile(r"/nvidia/|/libcu")
"""Libraries whose use is reported one by one: each is hundreds of megabytes."""


@dataclass
class Audit:
    """What was found so far."""

    site: Path
    brought: dict[tuple[str, str], Path]
    """Symbols that the environment's own libraries give."""
    folders: list[Path] = field(default_factory=loader_folders)
    missing: dict[Path, list[str]] = field(default_factory=dict)
    """File -> symbols that nothing gives."""
    uses: Counter[str] = field(default_factory=Counter)
    """CUDA library -> symbols used of it."""
    counted: Counter[str] = field(default_factory=Counter)

    def closure(self, elf: Elf) -> list[Path]:
        """Return the libraries that the loader opens for a file, in its order, the file first."""
        found = {elf.path: elf}
        queue = [elf]
        for user in queue:
            names = [*user.needed, *([user.interpreter] if user.interpreter else [])]
            for path in (find_library(name, user, self.folders) for name in names):
                if path and path not in found and (library := read_elf(path.resolve())):
                    found[path] = library
                    queue.append(library)
        return list(found)

    def check(self, elf: Elf, python: list[Path]) -> None:
        """Look for each symbol that a file wants."""
        reach = [*self.closure(elf), *python]
        driver = any(HOST_DRIVER.match(name) for name in elf.needed)
        for name, version in sorted(symbols(elf.path).wanted):
            self.counted["symbols"] += 1
            giver = next((path for path in reach if symbols(path).gives(name, version)), None)
            giver = giver or self.brought.get((name, version)) or self.brought.get((name, ""))
            if giver:
                self.uses[giver.name] += bool(CUDA.search(str(giver)))
            elif driver and DRIVER_SYMBOL.match(name):
                self.counted["driver"] += 1
            else:
                self.missing.setdefault(elf.path, []).append(f"{name}@{version}" if version else name)


@cache
def symbols(path: Path) -> Symbols:
    """Return the symbols of a file, read once."""
    return read_symbols(path.resolve())


def main() -> int:
    """Return 1 when a symbol is found nowhere."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--site", type=Path, required=True)
    site = parser.parse_args().site
    files = list(elf_files(site))
    brought = {symbol: elf.path for elf in files for symbol in symbols(elf.path).given}
    audit = Audit(site, brought)
    interpreter = read_elf(Path(sys.executable).resolve())
    python = audit.closure(interpreter) if interpreter else []
    for elf in files:
        audit.check(elf, python)
    counted = audit.counted
    print(f"symbols: {len(files)} files want {counted['symbols']}, of the host's driver {counted['driver']}")
    for library, count in sorted((+audit.uses).items()):
        print(f"symbols: {count} used of {library}")
    for path, names in audit.missing.items():
        print(_explain(path.relative_to(site), names), file=sys.stderr)
    return 1 if audit.missing else 0


def _explain(path: Path, names: list[str]) -> str:
    """Return one line: which file wants what, and what that means."""
    shown = ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
    python = all(name.startswith(("Py", "_Py")) for name in names)
    advice = (
        "Take the wheel for this Python."
        if python
        else "Add the Debian package that gives them to os_packages, or pin versions built together."
    )
    return f"{path} wants {shown}; expected the image to give these symbols. {advice}"


if __name__ == "__main__":
    sys.exit(main())
