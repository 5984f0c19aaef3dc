"""What both pictures share: colours for light and dark, text that fits, numbers people read."""

from typing import Final
from xml.sax.saxutils import escape

LIGHT: Final = ("#a9cdeb", "#fbc98e", "#a8d8a0", "#cdbdf0", "#f7b3ab", "#f3e08a", "#9fdcd6", "#d3d3d3")
DARK: Final = ("#1f5c8c", "#8a4f10", "#2c6b38", "#5a489a", "#8d3a33", "#6b5a0c", "#17696a", "#555a61")
"""One hue per layer; text on them has a contrast of at least 4.5 (WCAG AA) in both schemes."""
FONT: Final = "system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif"
GLYPH: Final = 0.58
"""Mean width of a character as a share of the font size, in the widest of these fonts."""


def style(name: str, more: str = "") -> str:
    """Return the style element of a picture whose root has this class; nothing else is touched."""
    light = ";".join(f"--c{number}:{colour}" for number, colour in enumerate(LIGHT))
    dark = ";".join(f"--c{number}:{colour}" for number, colour in enumerate(DARK))
    return (
        f"<style>.{name}{{--ink:#1b1f24;--soft:#57606a;--paper:#ffffff;--line:#d0d7de;{light};"
        f"font-family:{FONT}}}"
        f"@media (prefers-color-scheme:dark){{.{name}{{--ink:#f0f3f6;--soft:#a9b3be;--paper:#0d1117;"
        f"--line:#3d444d;{dark}}}}}"
        f".{name} text{{fill:var(--ink)}}.{name} .soft{{fill:var(--soft)}}{more}</style>"
    )


def text(x: float, y: float, size: float, words: str, more: str = "") -> str:
    """Return a line of text whose baseline starts at a point."""
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}"{more}>{escape(words)}</text>'


def fitted(words: str, size: float, width: float) -> str:
    """Return the words cut to a width, "" where not even four characters fit."""
    room = int(width / (size * GLYPH))
    if len(words) <= room:
        return words
    return f"{words[: room - 1]}…" if room >= 4 else ""  # noqa: PLR2004 - "num…" still tells something


def mb(size_bytes: float) -> str:
    """Return bytes as MB (10^6 bytes), with as many digits as one reads."""
    number = size_bytes / 1e6
    digits = 0 if number >= 1000 else 1 if number >= 1 else 2  # noqa: PLR2004 - three significant digits
    return f"{number:,.{digits}f} MB"
