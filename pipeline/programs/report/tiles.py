"""Place the packages of an image on its map, in percent, so that the page can look into a layer."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from layers.squarify import Box, squarify

from report.words import mb

COLOURS: Final = 8
LEAST_SHARE: Final = 0.0004
"""Packages with a smaller share of the image are drawn together: nobody could hit them."""
WHOLE: Final = Box(0, 0, 100, 100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One package of one layer."""

    name: str
    layer_number: int
    size_bytes: int
    colour: int
    """Number of its layer's colour; the largest layers have one each."""
    place: Box
    layer_place: Box

    @property
    def told(self) -> str:
        """Return its size."""
        return f"{mb(self.size_bytes)} MB"

    @property
    def title(self) -> str:
        """Return all that is said of it."""
        return f"{self.name}: {self.told}, layer {self.layer_number}"

    @property
    def box(self) -> str:
        """Return left, top, width and height in percent."""
        return _numbers(self.place)

    @property
    def layer(self) -> str:
        """Return the same of its layer."""
        return _numbers(self.layer_place)

    @property
    def style(self) -> str:
        """Return its place before any script runs."""
        names = ("left", "top", "width", "height")
        return ";".join(f"{name}:{value}%" for name, value in zip(names, self.box.split(), strict=True))


def tiles(layers: Sequence[dict[str, Any]]) -> Iterator[Tile]:
    """Yield the packages of every layer, the largest layer first."""
    by_size = sorted(layers, key=lambda layer: -sum(layer["packages"].values()))
    sizes = [sum(layer["packages"].values()) for layer in by_size]
    least = sum(sizes) * LEAST_SHARE
    places = squarify(sizes, WHOLE) if sum(sizes) else []
    for rank, (layer, place) in enumerate(zip(by_size, places, strict=False)):
        pieces = _pieces(layer["packages"], least)
        for (name, size), box in zip(pieces, squarify([size for _, size in pieces], place), strict=True):
            yield Tile(
                name=name,
                layer_number=layer["number"],
                size_bytes=size,
                colour=rank % COLOURS,
                place=box,
                layer_place=place,
            )


def _pieces(packages: dict[str, int], least: float) -> list[tuple[str, int]]:
    large = {name: size for name, size in packages.items() if size >= least}
    rest = sum(packages.values()) - sum(large.values())
    if rest:
        large[f"{len(packages) - len(large)} smaller"] = rest
    return sorted(large.items(), key=lambda piece: -piece[1])


def _numbers(box: Box) -> str:
    return f"{box.x:.3f} {box.y:.3f} {box.width:.3f} {box.height:.3f}"
