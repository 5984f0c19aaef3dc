"""The Debian part of a scan: what changelogs say is fixed and not installed."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from scan.bill import Bill
from scan.facts import Coverage, Finding

TOOL: Final = "wheelhouse-changelogs 1 (apt)"


def scan_debian(bill: Bill, report: Path | None, now: datetime) -> tuple[Coverage | None, list[Finding]]:
    """Return what was covered and the findings; no coverage for an image without Debian packages.

    Args:
        bill: the software list.
        report: what scan.changelogs wrote; None: the part is skipped.
        now: the time that the age of the package lists is counted from.

    """
    components = {one.purl: one for one in bill.of("deb")}
    if not components and bill.system not in ("debian", "ubuntu"):
        return None, []
    if report is None:
        reason = "no package source was asked"
        return Coverage(part="debian", status="skipped", reason=reason, expected=len(components)), []
    try:
        found = json.loads(report.read_text(encoding="utf-8"))
        if found["failure"]:
            return _failed(str(found["failure"]), len(components)), []
        return _coverage(found, set(components), now), [
            _finding(one, components) for one in found["findings"]
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        return _failed(f"{report.name} is not what scan.changelogs writes: {error!r}", len(components)), []


def _coverage(found: dict[str, Any], purls: set[str], now: datetime) -> Coverage:
    judged = set(found["judged"]) & purls
    newest = datetime.fromtimestamp(found["released"], UTC) if found["released"] else None
    return Coverage(
        part="debian",
        status="scanned",
        tool=TOOL,
        records=found["changelogs"],
        newest=newest.isoformat() if newest else "",
        age_days=round(max((now - newest).total_seconds(), 0) / 86400, 1) if newest else None,
        scanned=len(judged),
        expected=len(purls),
        absent=tuple(sorted(purls - judged)),
        control=found["control"],
    )


def _failed(reason: str, expected: int) -> Coverage:
    return Coverage(part="debian", status="failed", reason=reason, expected=expected)


def _finding(one: dict[str, Any], components: dict[str, Any]) -> Finding:
    component = components[one["purl"]]
    return Finding(
        id=one["cve"],
        aliases=(),
        advisories=(one["cve"],),
        component=component.name,
        version=component.version,
        purl=component.purl,
        fixed=(one["fixed"],),
        summary=f"fixed in {one['fixed']} of {one['source']}, which is not installed",
        found_by="changelog",
    )
