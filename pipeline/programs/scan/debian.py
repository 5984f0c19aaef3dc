"""The Debian part of a scan: OSV's records of the release, and the changelogs of newer packages.

Changelogs name the CVEs that a newer package fixes, as the package source has them today. They cannot show
a vulnerability without a fix; OSV's records, converted from Debian's security tracker, do.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from scan.advisories import DEBIAN
from scan.debian_osv import control, match_debian, release_of
from scan.errors import AbsentDataError, AdvisoryDataError
from scan.facts import Component, Coverage, Finding, Source, Status
from scan.index import opened
from scan.sbom import Bill

CHANGELOGS: Final = "changelogs"
ALONE: Final = (
    "debian: judged by changelogs alone: vulnerabilities that no newer package fixes are not seen ({})"
)


@dataclass(frozen=True, slots=True)
class _Part:
    """The answer of one source."""

    name: str
    judged: frozenset[str] = frozenset()
    """Package URLs."""
    findings: tuple[Finding, ...] = ()
    records: int = 0
    newest: datetime | None = None
    control: str = ""
    missing: str = ""
    """Why there is not an answer; "" where there is one."""
    broken: bool = False
    """Whether what was found cannot be trusted; False where nothing was found."""


def scan_debian(
    bill: Bill, report: Path | None, advisories: Path | None, now: datetime, unreachable: str
) -> tuple[Coverage | None, list[Finding], list[str]]:
    """Return the coverage, the findings, and notes; no coverage for an image without Debian packages.

    Args:
        bill: the software list.
        report: what scan.changelogs wrote; None: no package source was asked.
        advisories: OSV data; None: there is none.
        now: the time that ages are counted from.
        unreachable: why there is no OSV data.

    """
    components = {one.purl: one for one in bill.of("deb")}
    if not components and bill.system not in ("debian", "ubuntu"):
        return None, [], []
    parts = [_by_records(bill, components, advisories, now, unreachable), _by_changelogs(components, report)]
    known = [one for one in parts if not one.missing]
    if not known:
        reasons = "; ".join(f"{one.name}: {one.missing}" for one in parts)
        status: Status = "failed" if any(one.broken for one in parts) else "unscanned"
        return Coverage(part="debian", status=status, reason=reasons, expected=len(components)), [], []
    records, changelogs = parts
    notes = [ALONE.format(records.missing)] if records.missing else []
    notes += [f"debian: changelogs were not read: {changelogs.missing}"] if changelogs.missing else []
    return _coverage(known, set(components), now), _merged(known), notes


def _by_records(
    bill: Bill, components: Mapping[str, Component], place: Path | None, now: datetime, unreachable: str
) -> _Part:
    release = release_of(bill)
    name = f"OSV (Debian {release})"
    if place is None:
        return _Part(name, missing=unreachable or "no advisory data was given")
    try:
        data = opened(place, DEBIAN)
        found = match_debian(components.values(), data, release)
        known_bad = control(data, release)
    except AbsentDataError as error:
        return _Part(name, missing=str(error))
    except AdvisoryDataError as error:
        return _Part(name, missing=str(error), broken=True)
    if not known_bad and not any(one.startswith(f"{release}/") for one in data.by_name):
        return _Part(name, missing=f"the data has no records of Debian {release or '(unknown release)'}")
    newest = data.newest(now)
    return _Part(name, frozenset(components), tuple(found), data.records, newest, known_bad)


def _by_changelogs(components: Mapping[str, Component], report: Path | None) -> _Part:
    if report is None:
        return _Part(CHANGELOGS, missing="no package source was asked")
    try:
        found = json.loads(report.read_text(encoding="utf-8"))
        if found["failure"]:
            return _Part(CHANGELOGS, missing=str(found["failure"]))
        return _Part(
            CHANGELOGS,
            frozenset(found["judged"]) & frozenset(components),
            tuple(_finding(one, components) for one in found["findings"]),
            found["changelogs"],
            datetime.fromtimestamp(found["released"], UTC) if found["released"] else None,
            found["control"],
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = f"{report.name} is not what scan.changelogs writes: {error!r}"
        return _Part(CHANGELOGS, missing=reason, broken=True)


def _coverage(known: Collection[_Part], purls: set[str], now: datetime) -> Coverage:
    """Return the coverage: a package is judged when a source judged it; data is as old as the oldest."""
    judged = set().union(*(one.judged for one in known)) & purls
    dates = [one.newest for one in known]
    newest = min(date for date in dates if date) if all(dates) else None
    return Coverage(
        part="debian",
        status="scanned",
        sources=tuple(Source(one.name, len(one.judged)) for one in known),
        tool=", ".join(one.name for one in known),
        records=sum(one.records for one in known),
        newest=newest.isoformat() if newest else "",
        age_days=round(max((now - newest).total_seconds(), 0) / 86400, 1) if newest else None,
        scanned=len(judged),
        expected=len(purls),
        absent=tuple(sorted(purls - judged)),
        control="; ".join(one.control for one in known if one.control),
        control_missing=tuple(one.name for one in known if not one.control),
    )


def _merged(known: Collection[_Part]) -> list[Finding]:
    """Return each CVE once per package: with the rating of the records, and every fix."""
    found: dict[tuple[str, str], Finding] = {}
    for one in (finding for part in known for finding in part.findings):
        first = found.setdefault((one.purl, one.id), one)
        if first is not one:
            by, fixed = f"{first.found_by}, {one.found_by}", first.fixed or one.fixed
            found[one.purl, one.id] = replace(first, found_by=by, fixed=fixed)
    return list(found.values())


def _finding(one: dict[str, Any], components: Mapping[str, Component]) -> Finding:
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
