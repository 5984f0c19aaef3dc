"""Find the bytes of an image that nobody can see or that it has twice."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from layers.archive import Entry, Image, Layer

Kind = Literal["shadowed", "removed", "duplicate"]


@dataclass(frozen=True, slots=True)
class Waste:
    """One file whose bytes are shipped for nothing."""

    kind: Kind
    """`shadowed`: a later layer has the path too; `removed`: a later layer deletes it; `duplicate`:
    another path has the same contents."""
    path: str
    size_bytes: int
    layer: int
    """Number of the layer that ships the bytes."""
    other: int
    """Number of the layer that hides the file, or that has the first copy."""
    twin: str = ""
    """Path of the first copy, for a duplicate."""
    same: bool = False
    """For a shadowed file: whether the later one has the same contents, as after chown or chmod."""


@dataclass(frozen=True, slots=True)
class Merged:
    """What a container sees, and what was lost on the way."""

    visible: dict[str, tuple[int, Entry]]
    """Path -> number of the layer it comes from, and the file or link."""
    waste: tuple[Waste, ...]
    """Largest first."""

    def wasted_bytes(self, kind: Kind) -> int:
        """Return the bytes of one kind of waste."""
        return sum(one.size_bytes for one in self.waste if one.kind == kind)


def merge(image: Image) -> Merged:
    """Return the files that a container sees and every byte that is wasted."""
    visible: dict[str, tuple[int, Entry]] = {}
    lost: list[Waste] = []
    for layer in image.layers:
        for path in _hidden(layer, visible):
            number, old = visible.pop(path)
            lost.append(Waste("removed", path, old.size_bytes, number, layer.number))
        for entry in layer.entries:
            if entry.path in visible:
                number, old = visible[entry.path]
                same = bool(old.sha256) and old.sha256 == entry.sha256
                lost.append(Waste("shadowed", entry.path, old.size_bytes, number, layer.number, "", same))
            visible[entry.path] = (layer.number, entry)
    lost += _duplicates(visible)
    wasted = sorted((one for one in lost if one.size_bytes), key=lambda one: (-one.size_bytes, one.path))
    return Merged(visible, tuple(wasted))


def _hidden(layer: Layer, visible: dict[str, tuple[int, Entry]]) -> list[str]:
    """Return the visible paths that a layer's whiteouts hide."""
    gone = {path for path in layer.removed if path in visible}
    folders = tuple(f"{path}/" for path in layer.removed if path not in visible)
    emptied = tuple(f"{path}/" if path else "" for path in layer.emptied)
    prefixes = (*folders, *emptied)
    return sorted(gone | {path for path in visible if path.startswith(prefixes)})


def _duplicates(visible: dict[str, tuple[int, Entry]]) -> Iterator[Waste]:
    """Yield every copy of a file but the first, by contents."""
    copies: dict[str, list[tuple[int, Entry]]] = defaultdict(list)
    for number, entry in visible.values():
        if entry.size_bytes:
            copies[entry.sha256].append((number, entry))
    for found in copies.values():
        (first, original), *others = sorted(found, key=lambda one: (one[0], one[1].path))
        for number, entry in others:
            yield Waste("duplicate", entry.path, entry.size_bytes, number, first, original.path)
