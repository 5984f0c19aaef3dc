"""Write a scan as a table for people, gravest first."""

from collections.abc import Sequence
from typing import Final

from scan.facts import Coverage, Result, gravity
from scan.gate import Decision

HEAD: Final = ("severity", "score", "id", "component", "version", "fixed in", "required by")

CLOSING: Final = {
    "passed": "passed",
    "failed": "failed: {} reasons",
    "skipped": "skipped: nothing was scanned, and the configuration allows that",
}


def table(result: Result, decision: Decision) -> str:
    """Return the findings, what was covered, and what the gate says."""
    ignored = {id(finding): ignore for finding, ignore in decision.ignored}
    rows = [HEAD]
    for finding in sorted(result.findings, key=lambda one: (-gravity(one), one.component, one.id)):
        mark = " (ignored)" if id(finding) in ignored else " (unjudgeable)" if finding.unjudgeable else ""
        score = "" if finding.score is None else f"{finding.score:.1f}"
        fixed = finding.fixed[0] if finding.fixed else "-"
        rows.append(
            (
                finding.severity,
                score,
                finding.id + mark,
                finding.component,
                finding.version,
                fixed,
                finding.requirer,
            )
        )
    lines = _aligned(rows) if result.findings else ["no finding"]
    lines += ["", *(_coverage(one) for one in result.coverage)]
    lines += [f"warning  {line}" for line in decision.warnings]
    lines += [f"failure  {line}" for line in decision.failures]
    lines.append(CLOSING[decision.verdict].format(len(decision.failures)))
    return "\n".join(lines) + "\n"


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def _coverage(one: Coverage) -> str:
    if one.status != "scanned":
        return f"{one.part:8} {one.status}: {one.reason}"
    age = "unknown" if one.age_days is None else f"{one.age_days:g} days"
    return (
        f"{one.part:8} {one.scanned} of {one.expected} components by {one.tool}; {one.records} records, "
        f"newest {one.newest[:10]} ({age} old); control {one.control or 'MISSING'}"
    )
