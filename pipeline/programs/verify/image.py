"""Read an OCI archive with uncompressed layers: what each layer holds, and what a container sees."""

import mmap
import posixpath
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Self

from lib.oci_archive import opened, whiteout

CAPABILITY: Final = "SCHILY.xattr.security.capability"
LINKS: Final = 40
"""Links followed before a path counts as a loop. Source: path_resolution(7)."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One path of one layer."""

    path: str
    """Absolute, without a slash at the end."""
    layer: int
    """1 for the lowest."""
    member: tarfile.TarInfo
    start: int
    """Offset of the contents in the archive, in bytes."""

    @property
    def name(self) -> str:
        """Return the last part of the path."""
        return posixpath.basename(self.path)

    @property
    def size(self) -> int:
        """Return the bytes of its contents; 0 for what is no file."""
        return self.member.size if self.member.isreg() else 0

    @property
    def has_capability(self) -> bool:
        """Return whether the file gives its process capabilities."""
        return CAPABILITY in self.member.pax_headers


@dataclass
class Image:
    """One image: its configuration, its layers, and the tree that they make together."""

    config: dict[str, Any]
    data: mmap.mmap
    """The whole archive."""
    layers: list[tuple[int, int]]
    """Start and end of each layer's tar in the archive, in bytes."""
    tree: dict[str, Entry] = field(default_factory=dict)
    """Path -> what a container sees there."""
    covered: list[Entry] = field(default_factory=list)
    """What lower layers hold and no container sees: overwritten or removed."""

    @classmethod
    def read(cls, archive: Path) -> Self:
        """Return the image of an OCI archive.

        Raises:
            ArchiveError: a blob is absent.
            tarfile.TarError: a layer is compressed.

        """
        with archive.open("rb") as file:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        with opened(archive) as outer:
            members = [outer.member(layer) for layer in outer.layers]
            bounds = [(one.offset_data, one.offset_data + one.size) for one in members]
            image = cls(outer.config, data, bounds)
            for number, (member, descriptor) in enumerate(zip(members, outer.layers, strict=True), 1):
                with tarfile.open(fileobj=outer.blob(descriptor), mode="r:") as layer:
                    image._lay(number, member.offset_data, layer)
        return image

    @property
    def settings(self) -> dict[str, Any]:
        """Return the part of the configuration that containers are started with."""
        found: dict[str, Any] = self.config.get("config") or {}
        return found

    @property
    def every_entry(self) -> Iterator[Entry]:
        """Yield what containers see, then what is covered."""
        yield from self.tree.values()
        yield from self.covered

    @cached_property
    def files(self) -> list[Entry]:
        """Return the files that containers see, by path."""
        return sorted(
            (entry for entry in self.tree.values() if entry.member.isreg() or entry.member.islnk()),
            key=lambda entry: entry.path,
        )

    def contents(self, entry: Entry) -> bytes:
        """Return the bytes of a file; hard links have those of the file they stand for."""
        if entry.member.islnk():
            target = self.tree.get(_absolute(entry.member.linkname))
            return self.contents(target) if target and target is not entry else b""
        return self.data[entry.start : entry.start + entry.size]

    def text(self, path: str) -> str:
        """Return the text at a path, links followed; "" where there is no file."""
        entry = self.find(path)
        return self.contents(entry).decode(errors="replace") if entry else ""

    def digest(self, entry: Entry) -> str:
        """Return the sha256 of a file in hex."""
        return sha256(self.contents(entry)).hexdigest()

    def find(self, path: str) -> Entry | None:
        """Return what a path leads to, every link followed as in the container; None for nothing."""
        place, rest = "/", [part for part in path.split("/") if part]
        for _ in range(LINKS + len(rest)):
            if not rest:
                return self.tree.get(place)
            part = rest.pop(0)
            step = posixpath.normpath(posixpath.join(place, part))
            entry = self.tree.get(step)
            if entry and entry.member.issym():
                target = entry.member.linkname
                place = "/" if target.startswith("/") else place
                rest = [*(one for one in target.split("/") if one), *rest]
            else:
                place = step
        return None

    def _lay(self, number: int, start: int, layer: tarfile.TarFile) -> None:
        """Put one layer over those below it."""
        for member in layer:
            path = _absolute(member.name)
            if removal := whiteout(path):
                self._cover(removal[0] or "/", number, itself=not removal[1])
            else:
                self._place(Entry(path, number, member, start + member.offset_data))

    def _place(self, entry: Entry) -> None:
        below = self.tree.get(entry.path)
        if below and not below.member.isdir():
            self.covered.append(below)
        if below and below.member.isdir() and not entry.member.isdir():
            self._cover(entry.path, entry.layer, itself=False)
        self.tree[entry.path] = entry

    def _cover(self, path: str, number: int, *, itself: bool) -> None:
        """Take away what lower layers have at a path."""
        inside = f"{path.rstrip('/')}/"
        gone = [
            one
            for one, entry in self.tree.items()
            if entry.layer < number and (one.startswith(inside) or (itself and one == path))
        ]
        self.covered += [self.tree.pop(one) for one in gone]


def _absolute(name: str) -> str:
    return posixpath.normpath("/" + ("" if name == "." else name.removeprefix("./").strip("/")))
