"""Say which package each file of an image belongs to."""

import re
from collections import Counter, defaultdict
from pathlib import PurePosixPath
from typing import Final

from lib.deb822 import is_installed, stanzas

from layers.archive import Image
from layers.waste import Merged

MERGED_TOPS: Final = ("bin/", "sbin/", "lib/", "lib64/")
"""Folders that are links into usr/ in a merged-usr Debian."""
PARTS: Final = {"var": 3, "usr": 3}
"""Parts of the folder that names a file without package, by its first part; 2 elsewhere."""
RECORD: Final = re.compile(r"(?P<site>.*)/(?P<name>[^/]+?)-(?P<version>[^/-]+)\.dist-info/RECORD$")
DIST_INFO: Final = re.compile(r".*/(?:site|dist)-packages/[^/]+\.(?:dist-info|egg-info)(?:/|$)")


class Owners:
    """Package of each path: Debian's records, the RECORD of distributions, else the folder."""

    def __init__(self, image: Image) -> None:
        self._owner: dict[str, str] = {}
        for path, text in image.texts.items():
            if path.startswith("var/lib/dpkg/"):
                self._add_debian(path, text)
        for path, text in image.texts.items():
            if match := RECORD.match(path):
                self._add_distribution(match["site"], match["name"], text)

    def of(self, path: str) -> str:
        """Return the name of the package, or the folder's for a file that no package has."""
        if known := self._owner.get(path):
            return known
        for parent in PurePosixPath(path).parents:
            if known := self._owner.get(f"{parent}/"):
                return known
        parts = path.split("/")
        if parts[0] == "models" and len(parts) > 1:
            return parts[1]
        return "/" + "/".join(parts[: PARTS.get(parts[0], 2)])

    def _add_debian(self, path: str, text: str) -> None:
        name = PurePosixPath(path).name
        if path.endswith(".list"):
            for line in text.splitlines():
                self._owner.setdefault(_canonical(line.lstrip("/")), name.removesuffix(".list").split(":")[0])
        elif path.endswith(".md5sums"):
            for line in text.splitlines():
                owned = line.partition("  ")[2]
                self._owner.setdefault(_canonical(owned), name.removesuffix(".md5sums"))

    def _add_distribution(self, site: str, name: str, record: str) -> None:
        """Claim the files of a RECORD, and their folders for the bytecode that it does not list."""
        for line in record.splitlines():
            relative = line.partition(",")[0].strip('"')
            if relative.startswith((".", "/")):
                continue
            self._owner[f"{site}/{relative}"] = name
            for parent in PurePosixPath(relative).parents:
                if parent.name:
                    self._owner.setdefault(f"{site}/{parent}/", name)


def package_bytes(image: Image, owners: Owners) -> dict[int, Counter[str]]:
    """Return bytes by package for each layer, by its number."""
    found: dict[int, Counter[str]] = defaultdict(Counter)
    for layer in image.layers:
        for entry in layer.entries:
            found[layer.number][owners.of(entry.path)] += entry.size_bytes
    return found


def counts(image: Image, merged: Merged) -> dict[str, int]:
    """Return how many OS packages, Python distributions and files a container sees."""
    visible = merged.visible
    records = [path for path in image.texts if path in visible and path.startswith("var/lib/dpkg/status.d/")]
    debian = sum(not path.endswith((".md5sums", ".list")) for path in records)
    if "var/lib/dpkg/status" in visible:
        debian += sum(map(is_installed, stanzas(image.texts["var/lib/dpkg/status"])))
    installed = {match[0].rstrip("/") for path in visible if (match := DIST_INFO.match(path))}
    return {"os_packages": debian, "python_packages": len(installed), "files": len(visible)}


def _canonical(path: str) -> str:
    return f"usr/{path}" if path.startswith(MERGED_TOPS) else path
