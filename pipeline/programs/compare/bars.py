"""Draw a comparison: two bars for each measure, one column, readable on a phone."""

from typing import Final
from xml.sax.saxutils import escape

from layers.picture import style, text

from compare.measures import Measure
from compare.table import shown

CLASS: Final = "wheelhouse-compare"
WIDTH: Final = 480
LEFT: Final = 14
BAR: Final = 13
ROW: Final = 58
HEAD: Final = 52
ROOM: Final = 92
"""Units right of the longest bar, for its number."""
COLOURS: Final = (
    f".{CLASS}{{width:100%;height:auto;max-width:680px;display:block;--naive:#b4bac1;--ours:#2f7ed8}}"
    f"@media (prefers-color-scheme:dark){{.{CLASS}{{--naive:#6e7781;--ours:#58a6ff}}}}"
)
SAME: Final = 0.05
"""Ratios within this of 1 are called the same."""


def picture(title: str, found: list[Measure]) -> str:
    """Return the bars as a self-contained SVG for light and dark pages."""
    drawn = [one for one in found if one.naive is not None and one.ours is not None]
    height = HEAD + ROW * len(drawn) + 6
    rows = "".join(_row(one, HEAD + ROW * number) for number, one in enumerate(drawn))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="{CLASS}" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" role="img" aria-label="{escape(title, {chr(34): ""})}">'
        f'{style(CLASS, COLOURS)}<rect width="{WIDTH}" height="{height}" rx="6" fill="var(--paper)"/>'
        f"{text(LEFT, 22, 15, title, ' font-weight=' + chr(34) + '600' + chr(34))}{_key()}{rows}</svg>\n"
    )


def _key() -> str:
    return (
        f'<rect x="{LEFT}" y="33" width="11" height="11" rx="2" fill="var(--naive)"/>'
        f"{text(LEFT + 17, 42.5, 12, 'naive, one stage')}"
        f'<rect x="{LEFT + 136}" y="33" width="11" height="11" rx="2" fill="var(--ours)"/>'
        f"{text(LEFT + 153, 42.5, 12, 'wheelhouse')}"
    )


def _row(one: Measure, top: float) -> str:
    most = max(one.naive or 0, one.ours or 0) or 1
    parts = [
        f'<line x1="{LEFT}" x2="{WIDTH - LEFT}" y1="{top}" y2="{top}" stroke="var(--line)"/>',
        text(LEFT, top + 18, 13, one.label),
        text(WIDTH - LEFT, top + 18, 13, verdict(one), ' text-anchor="end" font-weight="600"'),
    ]
    for row, (value, colour) in enumerate(((one.naive or 0, "naive"), (one.ours or 0, "ours"))):
        y = top + 24 + row * (BAR + 2)
        length = max(value / most * (WIDTH - 2 * LEFT - ROOM), 1.5)
        parts.append(
            f'<rect x="{LEFT}" y="{y:.1f}" width="{length:.1f}" height="{BAR}" rx="2" '
            f'fill="var(--{colour})"/>'
        )
        parts.append(text(LEFT + length + 6, y + BAR - 2.5, 12, shown(value, one.unit)))
    return "".join(parts)


def verdict(one: Measure) -> str:
    """Return `4.9x less`, `1.5x more` or `the same`; "" where one of the two is zero."""
    if not one.ratio:
        return ""
    if abs(one.ratio - 1) < SAME:
        return "the same"
    factor = max(one.ratio, 1 / one.ratio)
    number = f"{factor:.0f}" if factor >= 10 else f"{factor:.1f}"  # noqa: PLR2004 - two digits do
    return f"{number}x {'less' if one.ratio > 1 else 'more'}"
