"""Write the outcome as Markdown for the page of a CI job."""

import re
from collections import Counter
from typing import Final

from report.checks import FAILED, PASSED, SKIPPED, UNSCANNED, Check
from report.facts import Outcome
from report.words import first_line, mb

MARKS: Final = {PASSED: "✅", FAILED: "❌", SKIPPED: "⏭️", UNSCANNED: "⚠️"}
MOST: Final = 30
"""Failures that are told one by one; GitHub cuts a summary at 1 MiB."""


def summary(outcome: Outcome) -> str:
    """Return the table of the steps, every failure with its lines, the sizes."""
    failures = outcome.of_status(FAILED)
    counts = outcome.counted(list(outcome.checks))
    head = f"## {MARKS[outcome.status]} {escaped(outcome.facts['service'])}: {counts}"
    lines = [head, "", *_table(outcome), ""]
    for one in failures[:MOST]:
        lines += _failure(outcome, one)
    if len(failures) > MOST:
        lines += [f"… and {len(failures) - MOST} more: see report.html.", ""]
    return "\n".join([*lines, *_skipped(outcome)]).rstrip() + "\n"


def _table(outcome: Outcome) -> list[str]:
    steps = list(dict.fromkeys(step["name"] for step in outcome.facts["steps"]))
    lines = [f"| variant | {' | '.join(steps)} | raw MB | zstd MB | coverage |"]
    lines.append("|---" * (len(steps) + 4) + "|")
    for variant in outcome.variants:
        cells = [_cell(outcome, variant, step) for step in steps]
        sizes, covered = outcome.sizes(variant), outcome.covered(variant)
        cells += [mb(sizes.get("raw_bytes")), mb(sizes.get("zstd_bytes"))]
        cells.append("-" if covered is None else f"{covered:.0%}")
        lines.append(f"| {variant} | {' | '.join(cells)} |")
    return lines


def _cell(outcome: Outcome, variant: str, step: str) -> str:
    checks = outcome.of_step(variant, step)
    if not checks:
        return "-"
    return f"{MARKS[outcome.step_status(variant, step)]} {outcome.cell(variant, step)}"


def _failure(outcome: Outcome, one: Check) -> list[str]:
    lines = outcome.lines(one.variant, one.step)
    return [
        f"### {MARKS[FAILED]} {one.variant} {one.step}: {escaped(one.name)}",
        "",
        f"> {escaped(first_line(one.message))}",
        "",
        *fenced(f"{lines['dagger']}\n{lines['wheelhouse']}"),
        "",
    ]


def _skipped(outcome: Outcome) -> list[str]:
    found = [*outcome.of_status(UNSCANNED), *outcome.of_status(SKIPPED)]
    if not found:
        return []
    counts = Counter((f"{one.variant} {one.step}", one.status, first_line(one.message)) for one in found)
    told = [f"- {step}: {count} {kind}: {escaped(why)}" for (step, kind, why), count in counts.items()]
    return ["<details><summary>skipped and unscanned</summary>", "", *told, "", "</details>"]


def fenced(text: str) -> list[str]:
    """Return a block of code whose fence is longer than any in the text."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}sh", *text.splitlines(), fence]


def escaped(text: str) -> str:
    """Return text that Markdown shows as it is: no HTML, no link, no table cell of its own."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|#~!@])", r"\\\1", text)
