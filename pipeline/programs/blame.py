"""Tell which dropped file made an import fail."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from site_files import module_name

QUOTED = re.compile(r"'([\w.]+)'")
BELOW_SITE = re.compile(r"-packages/([^'\":\n]+)")
LIBRARY = re.compile(r"[\w.+-]+\.so[\w.]*")


@dataclass
class Dropped:
    """Dropped files, found by what an error says of them."""

    paths: Mapping[str, str]
    """File below site-packages -> its rule."""
    modules: dict[str, str] = field(default_factory=dict)
    libraries: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for path in self.paths:
            if name := module_name(path):
                self.modules[name] = path
            self.libraries[PurePosixPath(path).name] = path

    def cause(self, failure: str) -> str:
        """Return the dropped file that a failure names, or "".

        A failure names a module, a path below site-packages, or a shared library.
        """
        quoted = QUOTED.findall(failure)
        # "cannot import name 'b' from 'a'" and "'a' has no attribute 'b'" mean the module a.b.
        names = [*quoted, *(f"{package}.{name}" for package in quoted for name in quoted)]
        found = [self.modules[name] for name in names if name in self.modules]
        found += [path for path in BELOW_SITE.findall(failure) if path in self.paths]
        found += [self.libraries[name] for name in LIBRARY.findall(failure) if name in self.libraries]
        # A package that puts a folder of its own on sys.path imports what is in it by a short name.
        found += [path for module, path in self.modules.items() if module.rpartition(".")[2] in quoted]
        return found[0] if found else ""
