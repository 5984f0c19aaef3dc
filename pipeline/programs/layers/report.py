"""Write an audit: as a table for people and as JSON for programs."""

from collections import Counter
from dataclasses import asdict
from typing import Any, Final

from layers.archive import Image, Layer
from layers.packages import Owners, counts, package_bytes
from layers.picture import mb
from layers.treemap import Block
from layers.waste import Merged, Waste

LARGEST: Final = 5
"""Paths named for each layer."""
WORST: Final = 12
"""Wasted files named in the text; the JSON has all."""
NAMED_BYTES: Final = 5_000
"""Smallest file that the text names: 0.01 MB when rounded."""
WORDS: Final = 90
"""Characters of a command that the text shows."""
UNKNOWN: Final = "no command in the history"


class Audit:
    """An image, looked at from all sides."""

    def __init__(self, image: Image, merged: Merged, packed: list[int], makers: dict[str, str]) -> None:
        """Keep what is known.

        Args:
            image: as read from the uncompressed archive.
            merged: what a container sees of it.
            packed: bytes of each layer as it travels (zstd).
            makers: absolute folder -> what made the layers that hold nothing else.

        """
        self.image, self.merged, self.packed = image, merged, packed
        self.packages = package_bytes(image, Owners(image))
        self.commands = {layer.number: _maker(layer, makers) or layer.command for layer in image.layers}

    def document(self) -> dict[str, Any]:
        """Return everything, sizes in bytes."""
        return {
            "raw_bytes": self.image.raw_bytes,
            "zstd_bytes": sum(self.packed),
            **counts(self.image, self.merged),
            "layers": [
                {
                    "number": layer.number,
                    "digest": layer.digest,
                    "command": self.commands[layer.number],
                    "raw_bytes": layer.raw_bytes,
                    "zstd_bytes": packed,
                    "packages": dict(self.packages[layer.number].most_common()),
                    "largest": _largest(layer),
                }
                for layer, packed in zip(self.image.layers, self.packed, strict=True)
            ],
            "waste": {
                "shadowed_bytes": self.merged.wasted_bytes("shadowed"),
                "removed_bytes": self.merged.wasted_bytes("removed"),
                "duplicate_bytes": self.merged.wasted_bytes("duplicate"),
                "files": [
                    {
                        **asdict(one),
                        "command": self.commands[one.layer],
                        "other_command": self.commands[one.other],
                    }
                    for one in self.merged.waste
                ],
            },
        }

    def text(self) -> str:
        """Return the biggest paths of each layer and the waste, for people."""
        lines = [line for layer in self.image.layers for line in self._layer_lines(layer)]
        return "\n".join([*lines, "", *self._waste_lines()]) + "\n"

    def blocks(self) -> list[Block]:
        """Return the layers of the map."""
        return [
            Block(layer.number, self._label(layer, packed), self.packages.get(layer.number, Counter()))
            for layer, packed in zip(self.image.layers, self.packed, strict=True)
        ]

    def title(self) -> str:
        """Return the heading of the map."""
        count = len(self.image.layers)
        wasted = sum(one.size_bytes for one in self.merged.waste)
        return (
            f"{mb(self.image.raw_bytes)} in {count} layer{'s' * (count != 1)}, "
            f"{mb(sum(self.packed))} as zstd, {mb(wasted)} wasted"
        )

    def _label(self, layer: Layer, packed: int) -> str:
        command = self.commands[layer.number]
        weight = f"layer {layer.number}: {mb(layer.raw_bytes)} ({mb(packed)} zstd)"
        return f"{weight}  {command}" if command else weight

    def _layer_lines(self, layer: Layer) -> list[str]:
        head = f"layer {layer.number}  {_short(self.commands[layer.number])}"
        return [
            "",
            head,
            *(f"  {one['bytes'] / 1e6:>9.2f} MB  /{one['path']}" for one in _largest(layer)),
        ]

    def _waste_lines(self) -> list[str]:
        total = sum(one.size_bytes for one in self.merged.waste)
        kinds = ", ".join(
            f"{kind} {self.merged.wasted_bytes(kind) / 1e6:.2f}"
            for kind in ("shadowed", "removed", "duplicate")
        )
        lines = [f"waste {total / 1e6:.2f} MB: {kinds}"]
        named = [one for one in self.merged.waste[:WORST] if one.size_bytes >= NAMED_BYTES]
        for one in named:
            lines += [f"  {one.size_bytes / 1e6:>9.2f} MB  /{one.path}", f"{'':16}{self._reason(one)}"]
        if more := self.merged.waste[len(named) :]:
            rest = sum(one.size_bytes for one in more)
            lines.append(f"  {rest / 1e6:>9.2f} MB  {len(more)} more files")
        return lines

    def _reason(self, one: Waste) -> str:
        made = f"made in layer {one.layer} by {_short(self.commands[one.layer])}"
        if one.kind == "duplicate":
            return f"the same as /{one.twin} of layer {one.other}; {made}"
        verb = "removed" if one.kind == "removed" else "written again" if one.same else "replaced"
        again = ", the same bytes" if one.same else ""
        return f"{made}; {verb}{again} in layer {one.other} by {_short(self.commands[one.other])}"


def _largest(layer: Layer) -> list[dict[str, Any]]:
    by_size = sorted(layer.entries, key=lambda entry: (-entry.size_bytes, entry.path))
    named = [one for one in by_size[:LARGEST] if one.size_bytes >= NAMED_BYTES]
    return [{"path": one.path, "bytes": one.size_bytes} for one in named]


def _maker(layer: Layer, makers: dict[str, str]) -> str:
    """Return who made a layer: the longest folder that holds all its files, "" for none."""
    for folder in sorted(makers, key=len, reverse=True):
        if layer.entries and all(
            f"/{one.path}".startswith(f"{folder.rstrip('/')}/") for one in layer.entries
        ):
            return makers[folder]
    return ""


def _short(command: str) -> str:
    if not command:
        return f"({UNKNOWN})"
    return command if len(command) <= WORDS else f"{command[: WORDS - 1]}…"
