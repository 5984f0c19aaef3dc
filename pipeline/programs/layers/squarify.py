"""Cut a rectangle into pieces of given areas that are as square as can be.

Algorithm: squarified treemaps, Bruls, Huizing and van Wijk, 2000.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in units of the picture."""

    x: float
    y: float
    width: float
    height: float

    def inset(self, margin: float, top: float = 0) -> "Box":
        """Return the rectangle inside a margin and below a strip; never of negative size."""
        width, height = self.width - 2 * margin, self.height - 2 * margin - top
        return Box(self.x + margin, self.y + margin + top, max(width, 0), max(height, 0))


def squarify(sizes: Sequence[float], box: Box) -> list[Box]:
    """Return one rectangle per size, areas in proportion, together exactly the box.

    Args:
        sizes: largest first, each >= 0.
        box: what is cut up.

    """
    total = sum(sizes)
    if not sizes or total <= 0:
        return [Box(box.x, box.y, 0, 0) for _ in sizes]
    scale = box.width * box.height / total
    areas = [size * scale for size in sizes]
    placed: list[Box] = []
    while areas:
        count = _row(areas, min(box.width, box.height))
        row, areas = areas[:count], areas[count:]
        boxes, box = _place(row, box)
        placed += boxes
    return placed


def _row(areas: Sequence[float], side: float) -> int:
    """Return how many of the areas make the row whose worst piece is the squarest."""
    best = 1
    while best < len(areas) and _worst(areas[: best + 1], side) <= _worst(areas[:best], side):
        best += 1
    return best


def _worst(row: Sequence[float], side: float) -> float:
    """Return the largest ratio of the sides of a row's pieces."""
    total, least, most = sum(row), min(row), max(row)
    if side <= 0 or least <= 0:
        return float("inf")
    return max(side * side * most / total**2, total**2 / (side * side * least))


def _place(row: Sequence[float], box: Box) -> tuple[list[Box], Box]:
    """Return the pieces of a row along the shorter side, and the rest of the box."""
    total = sum(row)
    placed: list[Box] = []
    if box.width >= box.height:
        width = total / box.height if box.height else 0
        y = box.y
        for area in row:
            height = area / width if width else 0
            placed.append(Box(box.x, y, width, height))
            y += height
        return placed, Box(box.x + width, box.y, max(box.width - width, 0), box.height)
    height = total / box.width if box.width else 0
    x = box.x
    for area in row:
        width = area / height if height else 0
        placed.append(Box(x, box.y, width, height))
        x += width
    return placed, Box(box.x, box.y + height, box.width, max(box.height - height, 0))
