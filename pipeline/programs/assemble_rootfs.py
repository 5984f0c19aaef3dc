"""Assemble the smallest root filesystem that runs this container's Python and the given packages.

    assemble_rootfs.py --out DIR [--site DIR --below DIR] [--package NAME]… [--keep RULE]… [--strict]

Kept are the Debian packages that own the interpreter, the standard library, and every shared library
that these and the ELF files of SITE need; files that no package owns (a Python built from source
under /usr/local) are kept one by one. Nothing else of the container: no shell, no package manager.

With --below only what that root filesystem lacks is written: the libraries that the wheels add.
Writes DIR/rootfs, and DIR/missing.txt with one line per library that nothing here has; with --strict
a missing library is an error.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass, field
from pathlib import Path

from bytecode import compile_tree
from dpkg import Packages, canonical
from elf import Elf, elf_files, find_library, loader_folders, read_elf
from rootfs_files import recorded, write_records, write_system_files
from rootfs_rules import DATA_PACKAGES, HOST_DRIVER, SOURCES, dropped
from tree_times import fix_times


@dataclass
class Selection:
    """What goes into the root filesystem, grown until nothing it needs is left out."""

    packages: Packages
    keep: frozenset[str]
    """Drop rules that are switched off."""
    site: Path | None
    """Installed wheels, where they will be in the image; None: the interpreter alone."""
    folders: list[Path] = field(default_factory=loader_folders)
    paths: set[Path] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    missing: dict[str, str] = field(default_factory=dict)
    """Soname -> the first file that needs it."""
    queue: list[Elf] = field(default_factory=list)

    def add_file(self, path: Path) -> None:
        """Add a file with its package, or alone where no package owns it; follow its links."""
        path = canonical(path)
        owner = self.packages.owner(path)
        if owner:
            self.add_package(owner)
        if path not in self.paths and not dropped(path, self.keep):
            self._take(path)
        if path.is_symlink():
            self.add_file(path.parent / path.readlink())

    def add_package(self, name: str) -> None:
        """Add every file of a package that no rule drops."""
        if name in self.names:
            return
        self.names.add(name)
        for path in self.packages.files(name):
            if path not in self.paths and not dropped(path, self.keep):
                self._take(path)

    def add_tree(self, root: Path) -> None:
        """Add every file below a folder."""
        for path in sorted(root.rglob("*")):
            if (path.is_symlink() or path.is_file()) and not dropped(canonical(path), self.keep):
                self.add_file(path)

    def close(self) -> None:
        """Add what every selected ELF file needs, and what that needs."""
        while self.queue:
            elf = self.queue.pop()
            if elf.interpreter:
                self.add_file(Path(elf.interpreter))
            for soname in elf.needed:
                self._need(soname, elf)

    def _need(self, soname: str, elf: Elf) -> None:
        found = find_library(soname, elf, self.folders)
        if found and not (self.site and found.resolve().is_relative_to(self.site)):
            self.add_file(found)
        elif not found and not HOST_DRIVER.match(soname) and not self._preloaded(soname):
            self.missing.setdefault(soname, str(elf.path))

    def _preloaded(self, soname: str) -> bool:
        """Return whether another wheel brings the library: its package loads it before it is needed."""
        return self.site is not None and next(self.site.rglob(soname), None) is not None

    def _take(self, path: Path) -> None:
        self.paths.add(path)
        if path.is_file() and not path.is_symlink() and (elf := read_elf(path)):
            self.queue.append(elf)


def main() -> int:
    """Write the root filesystem; return 1 when a library is missing and --strict is given."""
    options = _options()
    selection = Selection(packages=Packages(), keep=frozenset(options.keep), site=options.site)
    interpreter = Path(sys.executable)
    for program in {interpreter, interpreter.with_name("python3")}:
        selection.add_file(program)
    for name in ("stdlib", "platstdlib"):
        selection.add_tree(Path(sysconfig.get_path(name)))
    for name in [*DATA_PACKAGES, *options.package]:
        if name in selection.packages.stanzas:
            selection.add_package(name)
    selection.queue += elf_files(options.site) if options.site else []
    selection.close()
    missing = [_explain(soname, user, options.site) for soname, user in sorted(selection.missing.items())]
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "missing.txt").write_text("".join(f"{line}\n" for line in missing))
    if missing and options.strict:
        print("\n".join(missing), file=sys.stderr)
        return 1
    root = options.out / "rootfs"
    root.mkdir()
    if options.below:
        write_beyond(selection, options.below, root)
    else:
        write_rootfs(selection, root)
    fix_times(root)
    return 0


def write_rootfs(selection: Selection, root: Path) -> None:
    """Write a complete root: the selection, the files that no package has, bytecode, loader cache."""
    copy_files(selection.paths, root)
    for link in ("bin", "lib", "lib64", "sbin"):
        place = Path("/", link)
        if place.is_symlink():
            (root / place.readlink()).mkdir(parents=True, exist_ok=True)
            if not (root / link).is_symlink():
                (root / link).symlink_to(place.readlink())
    write_system_files(root)
    write_records(root, selection.packages, selection.names)
    compile_stdlib(root, sources=SOURCES in selection.keep)
    write_loader_cache(root)


def compile_stdlib(root: Path, *, sources: bool) -> None:
    """Compile the standard library; without sources each module is left as its bytecode alone."""
    stdlib = sysconfig.get_path("stdlib")
    below = root / stdlib.lstrip("/")
    compile_tree(below, shown_as=stdlib, legacy=not sources)
    for path in below.rglob("*.py") if not sources else ():
        if path.with_suffix(".pyc").exists():
            path.unlink()


def write_beyond(selection: Selection, below: Path, root: Path) -> None:
    """Write the part of the selection that the root below lacks; nothing when that is nothing."""
    stdlib = Path(sysconfig.get_path("stdlib"))  # below has it, as bytecode
    lacking = {path for path in selection.paths if not os.path.lexists(f"{below}{path}")}
    copy_files({path for path in lacking if not path.is_relative_to(stdlib)}, root)
    names = selection.names - recorded(below)
    if names:
        write_records(root, selection.packages, names)


def write_loader_cache(root: Path) -> None:
    """Write /etc/ld.so.cache: without it the loader does not look into /usr/local/lib."""
    subprocess.run(["/sbin/ldconfig", "-X", "-r", str(root)], check=True)
    shutil.rmtree(root / "var/cache/ldconfig", ignore_errors=True)


def copy_files(paths: set[Path], root: Path) -> None:
    """Copy files and links of this container to the same places below a root."""
    for path in sorted(paths):
        target = root / str(path).lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink():
            target.symlink_to(path.readlink())
        else:
            shutil.copyfile(path, target)
            target.chmod(path.stat().st_mode & 0o755)  # no SUID, nothing writable by others


def _explain(soname: str, user: str, site: Path | None) -> str:
    """Return one line: who needs the library, and which Debian package is likely to have it."""
    stem, _, version = soname.partition(".so")
    joiner = "-" if stem[-1:].isdigit() else ""
    package = f"{stem.lower().replace('_', '-')}{joiner}{version.lstrip('.').split('.')[0]}"
    wheel = _distribution(user, site) if site else user
    return (
        f"{wheel}: {Path(user).name} needs {soname}, which neither the image nor the builder has; "
        f"expected a Debian package that owns it, by its name {package}. Add it to os_packages."
    )


def _distribution(user: str, site: Path) -> str:
    """Return the distribution whose RECORD lists a file, or the file's path."""
    for record in site.rglob("*.dist-info/RECORD"):
        base = record.parent.parent
        if Path(user).is_relative_to(base):
            name = re.escape(os.path.relpath(user, base))
            if re.search(rf"^{name},", record.read_text(), re.MULTILINE):
                return "wheel " + record.parent.name.removesuffix(".dist-info").replace("-", " ")
    return user


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--site", type=Path, help="installed wheels, where they will be in the image")
    parser.add_argument("--below", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--package", action="append", default=[])
    parser.add_argument("--keep", action="append", default=[])
    parser.add_argument("--strict", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
