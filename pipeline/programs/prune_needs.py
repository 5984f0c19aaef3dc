"""Find which of the files that prune rules match are needed by what stays.

A file is needed when a kept module imports it (at any depth, inside functions, through a string such as
"package.module"), when an entry point names it, when a lazy loader reads it as a stub, or when kept code of
the same distribution names it or its ending (`kernels/add.cu`, `*.cu`).
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from configparser import ConfigParser, Error
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from imports import read_source
from prune_rules import Rule
from site_files import module_name

WORD = re.compile(rb"\w+")
FILE_NAME = re.compile(rb"[\w.+-]+")
DOTTED = re.compile(r"\.{0,3}[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$")
ENDING = re.compile(r"(^|[*/}])(\.\w+)$")
"""A string that names files by their ending alone: `.cu`, `*.cu`, `kernels/*.cu`."""
SOURCES = (".c", ".cpp", ".cu", ".cuh", ".h", ".hpp", ".hxx", ".pyi", ".pyx", ".pxd")
STUB_LOADER = "attach_stub"
"""Function of lazy_loader that reads the stub next to a module to learn what it has."""


def _reads(path: str, text: str, file: str) -> bool:
    """Return whether a module that names a file is likely to mean this one.

    A name of a source, as it is or by its ending, is enough. Other names are common (`data.json`): then the
    file is below the module's folder, or the string has the folder's name.
    """
    if PurePosixPath(file).suffix in SOURCES:
        return True
    folder = PurePosixPath(path).parent
    return PurePosixPath(file).is_relative_to(folder) or ("/" in text and file.endswith(f"/{text}"))


@dataclass
class Needs:
    """Matched files, and which of them turned out to be needed."""

    site: Path
    matched: dict[str, Rule]
    """File that a rule would drop -> the rule."""
    owners: dict[str, str]
    """File -> its distribution."""
    spared: dict[str, str] = field(default_factory=dict)
    """Needed file -> why."""
    modules: dict[str, str] = field(default_factory=dict)
    """Module that would go -> its file."""
    data: dict[tuple[str, str], set[str]] = field(default_factory=lambda: defaultdict(set))
    """(distribution, file name or ending) -> files that would go."""
    words: set[bytes] = field(default_factory=set)
    """Last parts of the modules' names: a source without any of them imports none."""
    file_names: set[bytes] = field(default_factory=set)
    queue: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        for path in self.matched:
            owner, pure = self.owners.get(path, ""), PurePosixPath(path)
            if name := module_name(path):
                self.modules[name] = path
                self.words.add(name.rpartition(".")[2].encode())
            if name or self.matched[path].specific:
                continue
            self.data[owner, pure.name].add(path)
            self.file_names.add(pure.name.encode())
            if f"**/*{pure.suffix}" in self.matched[path].patterns:
                self.data[owner, pure.suffix].add(path)
                self.file_names.add(pure.suffix.encode())

    def find(self, kept: list[str], scripts: frozenset[str]) -> dict[str, str]:
        """Return the needed files, each with the reason.

        Args:
            kept: files that no rule matches.
            scripts: console scripts that go on purpose.

        """
        for point in entry_points(self.site):
            if point.name not in scripts:
                self._import(point.module, f"entry point {point.name!r} names it")
        self.queue += [path for path in kept if path.endswith(".py")]
        while self.queue:
            self._read(self.queue.pop())
        return self.spared

    def spare(self, path: str, why: str) -> None:
        """Keep a file; what it imports is needed in turn."""
        if path not in self.spared:
            self.spared[path] = why
            self.queue += [path] if path.endswith(".py") else []

    def _read(self, path: str) -> None:
        source = (self.site / path).read_bytes()
        if STUB_LOADER.encode() in source:
            self._spare_matched(str(PurePosixPath(path).with_suffix(".pyi")), f"{path} loads it lazily")
        named = not self.file_names.isdisjoint(FILE_NAME.findall(source))
        if not named and self.words.isdisjoint(WORD.findall(source)):
            return
        module = module_name(path) or PurePosixPath(path).stem
        reading = read_source(source, module, package=path.endswith("/__init__.py"))
        for imported in reading.imports:
            self._import(imported.name, f"{path} imports it", path)
        for text in reading.strings:
            self._string(text, path, module)

    def _import(self, name: str, why: str, user: str = "") -> None:
        """Keep a module and the packages that it is in."""
        parts = name.split(".")
        if name not in self.modules:
            return
        for end in range(1, len(parts) + 1):
            path = self.modules.get(".".join(parts[:end]))
            if path and user not in self.matched[path].offered_by:
                self.spare(path, why)

    def _string(self, text: str, path: str, module: str) -> None:
        """Keep what a string constant names: a module, a file, or all files of an ending."""
        dotted = text.partition(":")[0]
        if DOTTED.match(dotted):
            why = f"{path} names it"
            stripped = dotted.lstrip(".")
            inside = module.split(".")
            for end in range(len(inside) + 1):
                self._import(".".join([*inside[:end], stripped]), why, path)
        owner = self.owners.get(path, "")
        ending = ENDING.search(text)
        found = [*self.data.get((owner, PurePosixPath(text).name), ())]
        found += self.data.get((owner, ending[2]), ()) if ending else ()
        for one in found:
            if _reads(path, text, one):
                self._spare_folder(one, f"{path} names {text!r}")

    def _spare_folder(self, path: str, why: str) -> None:
        """Keep a data file and what its rule matches next to it: one kernel includes another."""
        folder, rule = str(PurePosixPath(path).parent), self.matched[path]
        self._spare_matched(path, why)
        for other, other_rule in self.matched.items() if not path.endswith(".pyi") else ():
            if other_rule == rule and other.startswith(f"{folder}/") and not module_name(other):
                self._spare_matched(other, why)

    def _spare_matched(self, path: str, why: str) -> None:
        if path in self.matched:
            self.spare(path, why)


@dataclass(frozen=True)
class EntryPoint:
    """One line of an entry_points.txt."""

    group: str
    name: str
    module: str


def entry_points(site: Path) -> Iterator[EntryPoint]:
    """Yield the entry points of every distribution; a listing that cannot be read has none."""
    for listing in sorted(site.glob("*.dist-info/entry_points.txt")):
        # Names keep their case.
        parser = ConfigParser(delimiters=("=",), strict=False, interpolation=None)
        parser.optionxform = str  # type: ignore[assignment,method-assign]
        with suppress(Error):
            parser.read_string(listing.read_text())
        for group in parser.sections():
            for name, value in parser.items(group):
                yield EntryPoint(group, name, value.partition(":")[0].partition("[")[0].strip())
