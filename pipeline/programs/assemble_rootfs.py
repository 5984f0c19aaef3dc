"""Assemble the smallest root filesystem that runs this container's Python and the given packages.

    assemble_rootfs.py --out DIR [--site DIR --below DIR] [--package NAME]… [--keep RULE]… [--strict]
        [--declared NAME]… [--base DIR] [--shell]

Kept are the Debian packages that own the interpreter, the standard library, and every shared library
that these and the ELF files of SITE need; files that no package owns (a Python built from source
under /usr/local) are kept one by one. Nothing else of the container: no shell, no package manager.

Of a --declared package everything is kept, and of what it depends on beyond the base image, whose root
is --base: programs, data, settings, and what its installation made. With --shell /bin/sh is there, too.

With --below only what that root filesystem lacks is written: the libraries that the wheels add.
Writes DIR/rootfs, and DIR/missing.txt with one line per library that nothing here has; with --strict
a missing library is an error, unless only plugins want it that are opened where they can be.
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
from os_packages import dependencies, interpreters, languages, made_by_installing
from rootfs_files import recorded, write_records, write_system_files
from rootfs_rules import DATA_PACKAGES, HOST_DRIVER, LOCALE, SOURCES, dropped, is_driver
from stdlib_needs import needed_modules
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
    whole: set[str] = field(default_factory=set)
    """Packages of which everything is kept."""
    missing: dict[str, str] = field(default_factory=dict)
    """Soname -> the first file that needs it."""
    drivers: set[str] = field(default_factory=set)
    """Packages left out as graphics drivers."""
    optional: dict[str, str] = field(default_factory=dict)
    """Soname that only plugins of Debian packages want -> the first of them."""
    queue: list[Elf] = field(default_factory=list)
    needed: set[Path] = field(default_factory=set)
    """Modules of the standard library that stay although a rule matches: something imports them."""

    def add_file(self, path: Path) -> None:
        """Add a file with its package, or alone where no package owns it; follow its links."""
        path = canonical(path)
        owner = self.packages.owner(path)
        if owner and owner not in self.whole and is_driver(owner, self.keep):
            self.drivers.add(owner)
            return
        if owner:
            self.add_package(owner)
        if path not in self.paths and not dropped(path, self.keep, whole=owner in self.whole):
            self._take(path)
        if path.is_symlink():
            self.add_file(path.parent / path.readlink())

    def add_package(self, name: str) -> None:
        """Add every file of a package that no rule drops."""
        if name in self.names:
            return
        self.names.add(name)
        for path in self.packages.files(name):
            if path not in self.paths and not dropped(path, self.keep, whole=name in self.whole):
                self._take(path)

    def add_declared(self, names: list[str], base: Path | None) -> None:
        """Add packages with all that they have, and with what they depend on beyond the base."""
        closure = dependencies(self.packages, names, base, lambda name: is_driver(name, self.keep))
        self.drivers |= {name for name in closure - set(names) if is_driver(name, self.keep)}
        self.whole |= closure - self.drivers
        for name in sorted(self.whole):
            self.add_package(name)
        more = languages(self.packages, self.paths) - self.whole
        self.whole |= more
        for name in sorted(more):
            self.add_package(name)
        for path in made_by_installing(self.packages, self.whole, self.paths, base) if base else ():
            self.add_file(path)

    def add_shell(self) -> None:
        """Add /bin/sh and the program that it is."""
        program = Path("/bin/sh").resolve()
        for path in (canonical(Path("/bin/sh")), canonical(program)):
            self._take(path)
            self.names |= {owner for owner in (self.packages.owner(path),) if owner}

    def add_tree(self, root: Path) -> None:
        """Add every file below a folder."""
        for path in sorted(root.rglob("*")):
            if (path.is_symlink() or path.is_file()) and not dropped(canonical(path), self.keep):
                self.add_file(path)

    def add_needed_modules(self) -> None:
        """Add the modules of the standard library that rules drop and that what stays imports."""
        for path, why in needed_modules(self.site, lambda path: dropped(path, self.keep)).items():
            print(f"kept {path}: {why}")
            self.needed.add(path)
            self._take(path)

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
            # A Debian package depends on what it must have: what is missing is for a plugin only.
            own = self.site is not None and elf.path.is_relative_to(self.site)
            (self.missing if own else self.optional).setdefault(soname, str(elf.path))

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
    if options.declared:
        selection.add_declared(options.declared, options.base)
    for program in {interpreter, interpreter.with_name("python3")}:
        selection.add_file(program)
    for name in ("stdlib", "platstdlib"):
        selection.add_tree(Path(sysconfig.get_path(name)))
    selection.add_needed_modules()
    for name in [*DATA_PACKAGES, *options.package]:
        if name in selection.packages.stanzas:
            selection.add_package(name)
    selection.add_tree(LOCALE)
    if options.shell:
        selection.add_shell()
    selection.queue += elf_files(options.site) if options.site else []
    selection.close()
    for line in [*interpreters(selection.paths), *notes(selection)]:
        print(line, file=sys.stderr)
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


def notes(selection: Selection) -> list[str]:
    """Return a line for each thing that was left out of what the service declared."""
    files = selection.packages.files
    sizes = {name: sum(path.lstat().st_size for path in files(name)) for name in sorted(selection.drivers)}
    lines = [
        f"note: {user} wants {name}, which no package brings: opened only where it is."
        for name, user in sorted(selection.optional.items())
    ]
    if sizes:
        listed = ", ".join(f"{name} ({size / 1e6:.0f} MB)" for name, size in sizes.items())
        lines.append(
            f'note: left out by the rule os-graphics: {listed}; keep = ["os-graphics"] brings them in.'
        )
    return lines


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
    lacking = {path for path in selection.paths if not _has(below, path)}
    copy_files(
        {path for path in lacking if path in selection.needed or not path.is_relative_to(stdlib)}, root
    )
    compile_stdlib(root, sources=SOURCES in selection.keep)
    names = selection.names - recorded(below)
    if names:
        write_records(root, selection.packages, names)


def _has(root: Path, path: Path) -> bool:
    """Return whether a root has a path, or the bytecode that a source was replaced by."""
    return any(os.path.lexists(f"{root}{path}{more}") for more in ("", "c" * (path.suffix == ".py")))


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
    parser.add_argument("--declared", action="append", default=[], help="package with all that it has")
    parser.add_argument("--base", type=Path, help="root of the base image")
    parser.add_argument("--shell", action="store_true", help="bring /bin/sh")
    parser.add_argument("--keep", action="append", default=[])
    parser.add_argument("--strict", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
