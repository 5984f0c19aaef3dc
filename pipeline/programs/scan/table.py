"""Write a scan as a table for people, gravest first."""

from collections.abc import Sequence
from typing import Final

from scan.facts import Coverage, Finding, Result, gravity
from scan.gate import Decision

HEAD: Final = ("severity", "score", "id", "component", "version", "fixed in", "required by")

CLOSING: Final = {
    "passed": "passed",
    "failed": "failed: {reasons} reasons",
    "unscanned": "unscanned: {unscanned}; the configuration allows that",
}


def table(result: Result, decision: Decision) -> str:
    """Return the findings, what was covered, and what the gate says."""
    ignored = {id(finding): ignore for finding, ignore in decision.ignored}
    rows = [HEAD]
    shown = [one for one in result.findings if not _is_unimportant(one)]
    for finding in sorted(shown, key=lambda one: (-gravity(one), one.component, one.id)):
        mark = " (ignored)" if id(finding) in ignored else " (unjudgeable)" if finding.unjudgeable else ""
        score = "" if finding.score is None else f"{finding.score:.1f}"
        fixed = finding.fixed[0] if finding.fixed else "none yet" if finding.unfixed else "-"
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
    lines = _aligned(rows) if shown else ["no finding"]
    if hidden := len(result.findings) - len(shown):
        lines.append(f"and {hidden} that Debian rates unimportant and does not fix: see findings.json")
    lines += ["", *(_coverage(one) for one in result.coverage)]
    lines += [f"warning  {line}" for line in decision.warnings]
    lines += [f"failure  {line}" for line in decision.failures]
    unscanned = ", ".join(one.part for one in result.coverage if one.status == "unscanned")
    lines.append(CLOSING[decision.verdict].format(unscanned=unscanned, reasons=len(decision.failures)))
    return "\n".join(lines) + "\n"


def _is_unimportant(finding: Finding) -> bool:
    """Return whether Debian decided that a vulnerability does no harm as it builds the package."""
    return finding.unfixed and finding.severity == "none"


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def _coverage(one: Coverage) -> str:
    if one.status != "scanned":
        return f"{one.part:8} {one.status}: {one.reason}"
    by = ", ".join(f"{source.judged} by {source.name}" for source in one.sources)
    age = "unknown" if one.age_days is None else f"{one.age_days:g} days"
    return (
        f"{one.part:8} {one.scanned} of {one.expected} packages judged: {by}; {one.records} records, "
        f"newest {one.newest[:10]} ({age} old); control {one.control or 'MISSING'}"
    )
