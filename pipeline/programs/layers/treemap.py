"""Draw an image as a map: area is bytes, colour is the layer, a piece is a package."""

from collections import Counter
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

from layers.picture import DARK, fitted, mb, style, text
from layers.squarify import Box, squarify

WIDE: Final = (960, 840)
NARROW: Final = (480, 420)
"""Width and height of the two drawings: same shape, so that either fits the same place.

The narrow one is shown below 600 pixels: twice the size of its letters there, fewer labels.
"""
CLASS: Final = "wheelhouse-map"
HEAD: Final = 30
ROW: Final = 20
LEGEND_ROWS: Final = 7
LEAST_AREA: Final = 1500
"""Packages with fewer square units than a label needs are drawn together as "other"."""
SWITCH: Final = (
    f".{CLASS}{{width:100%;height:auto;max-width:{WIDE[0]}px;display:block}}"
    f"@media (max-width:600px){{.{CLASS} .wide{{display:none}}.{CLASS} .narrow{{display:inline}}}}"
    f"@media (min-width:600.02px){{.{CLASS} .narrow{{display:none}}}}"
    f".{CLASS} rect.cell{{stroke:var(--paper);stroke-width:1}}"
)


@dataclass(frozen=True, slots=True)
class Block:
    """One layer of the map."""

    number: int
    label: str
    """What the legend says of it."""
    packages: Counter[str]
    """Bytes by package."""

    @property
    def size_bytes(self) -> int:
        """Return the bytes of its files."""
        return self.packages.total()


def treemap(title: str, blocks: list[Block]) -> str:
    """Return the map as a self-contained SVG for light and dark pages, wide and narrow ones."""
    drawings = "".join(
        f'<svg class="{name}"{hidden} x="0" y="0" width="{WIDE[0]}" height="{WIDE[1]}" '
        f'viewBox="0 0 {size[0]} {size[1]}">{_drawing(title, blocks, *size)}</svg>'
        for name, size, hidden in (("wide", WIDE, ""), ("narrow", NARROW, ' display="none"'))
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="{CLASS}" viewBox="0 0 {WIDE[0]} {WIDE[1]}" '
        f'width="{WIDE[0]}" height="{WIDE[1]}" role="img" aria-label="{escape(title, {chr(34): ""})}">'
        f"{style(CLASS, SWITCH)}{drawings}</svg>\n"
    )


def _drawing(title: str, blocks: list[Block], width: int, height: int) -> str:
    by_size = sorted(blocks, key=lambda block: -block.size_bytes)
    legend = min(len(blocks), LEGEND_ROWS)
    area = Box(8, HEAD, width - 16, height - HEAD - legend * ROW - 12)
    total = sum(block.size_bytes for block in blocks)
    least = total * LEAST_AREA / (area.width * area.height)
    parts = [
        f'<rect width="{width}" height="{height}" rx="6" fill="var(--paper)"/>',
        text(10, 20, 14, fitted(title, 14, width - 20), ' font-weight="600"'),
    ]
    for block, box in zip(by_size, squarify([b.size_bytes for b in by_size], area), strict=True):
        parts.append(_block(block, box, least))
    parts += _legend(by_size, width, area.y + area.height + 8)
    return "".join(parts)


def _block(block: Block, box: Box, least: float) -> str:
    """Return a layer's rectangle with its packages."""
    pieces = _pieces(block.packages, least)
    inner = box.inset(1)
    boxes = squarify([size for _, size in pieces], inner)
    cells = (_cell(block, name, size, cell) for (name, size), cell in zip(pieces, boxes, strict=True))
    return (
        f'<g fill="var(--c{_colour(block.number)})">{"".join(cells)}</g>'
        f'<rect x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}" '
        'fill="none" stroke="var(--paper)" stroke-width="3"/>'
    )


def _pieces(packages: Counter[str], least: float) -> list[tuple[str, int]]:
    large = [(name, size) for name, size in packages.most_common() if size >= least]
    rest = packages.total() - sum(size for _, size in large)
    others = len(packages) - len(large)
    pieces = [*large, (f"{others} other", rest)] if rest > 0 else large
    return sorted(pieces, key=lambda piece: -piece[1])


def _cell(block: Block, name: str, size: int, box: Box) -> str:
    shape = (
        f'<rect class="cell" x="{box.x:.1f}" y="{box.y:.1f}" '
        f'width="{box.width:.1f}" height="{box.height:.1f}">'
        f"<title>{escape(name)}: {mb(size)}, layer {block.number}</title></rect>"
    )
    font = 13.0
    shown = fitted(name, font, box.width - 8)
    if not shown or box.height < font + 6:
        return shape
    lines = text(box.x + 5, box.y + font + 3, font, shown)
    weight = mb(size)
    if box.height > 2 * font + 10 and fitted(weight, font - 1, box.width - 8) == weight:
        lines += text(box.x + 5, box.y + 2 * font + 6, font - 1, weight)
    return shape + lines


def _legend(blocks: list[Block], width: int, top: float) -> list[str]:
    """Return one line per layer, largest first; what does not fit is counted in the last line."""
    shown = blocks if len(blocks) <= LEGEND_ROWS else blocks[: LEGEND_ROWS - 1]
    lines: list[str] = []
    for row, block in enumerate(shown):
        y = top + row * ROW
        lines.append(
            f'<rect x="10" y="{y:.1f}" width="13" height="13" rx="2" fill="var(--c{_colour(block.number)})"/>'
            + text(30, y + 11, 12, fitted(block.label, 12, width - 40))
        )
    if rest := blocks[len(shown) :]:
        size = sum(block.size_bytes for block in rest)
        y = top + len(shown) * ROW + 11
        lines.append(text(30, y, 12, f"{len(rest)} more layers, {mb(size)}", ' class="soft"'))
    return lines


def _colour(number: int) -> int:
    return (number - 1) % len(DARK)
