"""Bars of sizes and seconds, made of boxes so that they follow the width of the page."""

from collections.abc import Iterator
from html import escape

from report.facts import Outcome
from report.words import mb, seconds


def size_chart(outcome: Outcome) -> Iterator[str]:
    """Yield a bar per image, raw and as it travels, with a mark where its budget ends."""
    found = {variant: sizes for variant in outcome.variants if (sizes := outcome.sizes(variant))}
    if not found:
        return
    budgets = outcome.facts["budgets"]
    most = max(
        max(sizes["raw_bytes"], (budgets.get(variant, {}).get("raw_mb") or 0) * 1e6)
        for variant, sizes in found.items()
    )
    yield "<section><h2>Sizes</h2><div class='chart'>"
    for variant, sizes in found.items():
        limits = budgets.get(variant, {})
        for key, label, limit in (
            ("raw_bytes", f"{variant}", limits.get("raw_mb")),
            ("zstd_bytes", "as zstd", limits.get("zstd_mb")),
        ):
            told = f"{mb(sizes[key])} MB" + (f" of {limit}" if limit else "")
            mark = limit * 1e6 / most if limit else None
            yield _bar(label, sizes[key] / most, told, key, mark)
    yield "</div><p class='soft'>MB are 10⁶ bytes; the mark is the budget.</p></section>"


def time_chart(outcome: Outcome) -> Iterator[str]:
    """Yield a bar per step: seconds in this call, near 0 where the engine had the result."""
    steps = [step for step in outcome.facts["steps"] if not step["skipped"]]
    most = max((step["seconds"] for step in steps), default=0) or 1
    yield "<section><details><summary>Seconds of every step in this call</summary><div class='chart'>"
    for step in steps:
        label = f"{step['variant']} {step['name']}"
        yield _bar(label, step["seconds"] / most, seconds(step["seconds"]), "time", None)
    yield "</div></details></section>"


def _bar(label: str, share: float, told: str, kind: str, mark: float | None) -> str:
    """Return a row: what it is, a bar of SHARE of the room, its number; MARK is a share, too."""
    line = f'<i style="left:{100 * mark:.1f}%"></i>' if mark is not None else ""
    return (
        f"<span>{escape(label)}</span>"
        f'<div class="room"><div class="{kind}" style="width:{100 * share:.1f}%"></div>{line}</div>'
        f"<span class='number'>{escape(told)}</span>"
    )
