"""The map is exact: areas in proportion, nothing overlaps, nothing is left over."""

from random import Random

import pytest
from layers.squarify import Box, squarify


def overlap(one: Box, other: Box) -> float:
    """Return the area that two rectangles share."""
    width = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
    height = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
    return max(width, 0) * max(height, 0)


@pytest.mark.parametrize("seed", range(5))
def test_areas_are_in_proportion_and_disjoint(seed):
    """Any sizes fill the box exactly."""
    random = Random(seed)  # noqa: S311 - sizes of a picture
    sizes = sorted((random.uniform(0.5, 100) for _ in range(30)), reverse=True)
    box = Box(10, 20, 300, 200)

    placed = squarify(sizes, box)

    areas = [one.width * one.height for one in placed]
    assert areas == pytest.approx([size * 60_000 / sum(sizes) for size in sizes])
    assert sum(overlap(a, b) for i, a in enumerate(placed) for b in placed[:i]) == pytest.approx(0, abs=1e-6)


def test_pieces_are_nearly_square():
    """Equal sizes in a square become squares, not stripes."""
    placed = squarify([1] * 4, Box(0, 0, 100, 100))

    assert {(one.width, one.height) for one in placed} == {(50, 50)}


@pytest.mark.parametrize("sizes", [[], [0], [0, 0], [5, 0]])
def test_nothing_to_draw_is_drawn_as_nothing(sizes):
    """Empty layers and empty files have no area and raise no error."""
    placed = squarify(sizes, Box(0, 0, 100, 100))

    assert len(placed) == len(sizes)
    assert sum(one.width * one.height for one in placed) in (0, 10_000)
