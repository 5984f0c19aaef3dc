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

SOURCE_NAME = re.compile(rb"\.(cuh?|c|cpp|h|hpp|hxx|pyi|pyx|pxd)\b")
DOTTED = re.compile(r"\.{0,3}[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$")
ENDING = re.compile(r"(^|[*/}])(\.\w+)$")
"""A string that names files by their ending alone: `.cu`, `*.cu`, `kernels/*.cu`."""
SOURCES = (".c", ".cpp", ".cu", ".cuh", ".h", ".hpp", ".hxx", ".pyi", ".pyx", ".pxd")
STUB_LOADER = "attach_stub"
"""Function of lazy_loader that reads the stub next to a module to learn what it has."""


def _gate(path: str, folders: set[str]) -> str:
    """Return the first name in a path below the deepest folder that has modules which stay."""
    parts = path.split("/")
    depth = next(end for end in range(len(parts) - 1, -1, -1) if "/".join(parts[:end]) in folders)
    return parts[depth].partition(".")[0]


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
    gates: set[bytes] = field(default_factory=set)
    """Names of the folders and modules that would go as a whole: who names none of them reads none."""
    queue: list[str] = field(default_factory=list)
    seen: set[tuple[str, str]] = field(default_factory=set)
    """(folder, rule) whose data files are spared."""

    def __post_init__(self) -> None:
        for path in self.matched:
            owner, pure = self.owners.get(path, ""), PurePosixPath(path)
            if name := module_name(path):
                self.modules[name] = path
            if name or self.matched[path].specific:
                continue
            self.data[owner, pure.name].add(path)
            if f"**/*{pure.suffix}" in self.matched[path].patterns:
                self.data[owner, pure.suffix].add(path)

    def find(self, kept: list[str], scripts: frozenset[str]) -> dict[str, str]:
        """Return the needed files, each with the reason.

        Args:
            kept: files that no rule matches.
            scripts: console scripts that go on purpose.

        """
        for point in entry_points(self.site):
            if point.name not in scripts:
                self._import(point.module, f"entry point {point.name!r} names it")
        modules = [path for path in kept if path.endswith(".py")]
        folders = {"", *(path.rpartition("/")[0] for path in modules)}
        self.gates = {_gate(path, folders).encode() for path in self.matched}
        self.queue += modules
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
        if path not in self.spared and not SOURCE_NAME.search(source) and not self._names_a_gate(source):
            return
        module = module_name(path) or PurePosixPath(path).stem
        reading = read_source(source, module, package=path.endswith("/__init__.py"))
        for imported in reading.imports:
            self._import(imported.name, f"{path} imports it", path)
        for text in reading.strings:
            self._string(text, path, module)

    def _names_a_gate(self, source: bytes) -> bool:
        return any(gate in source for gate in self.gates)

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
        if path.endswith(".pyi") or (folder, rule.name) in self.seen:
            return
        self.seen.add((folder, rule.name))
        for other, other_rule in self.matched.items():
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
