"""The Python part of a scan as osv-scanner reports it (JSON output with --all-packages)."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from packaging.utils import canonicalize_name

from scan.advisories import Advisories, Entry
from scan.control import ADDED
from scan.facts import Component, Coverage, Finding, Source
from scan.match import match
from scan.python import expected_pins
from scan.sbom import Bill

TOOL: Final = "osv-scanner (osv.dev, asked for this scan)"


def scan_osv(bill: Bill, report: Path, lock: str, now: datetime) -> tuple[Coverage, list[Finding], list[str]]:
    """Return what osv-scanner covered, its records judged by our own matcher, and notes.

    The report carries the whole records, so what the scanner could not judge is not lost here. It must
    hold the control component that the room added to its input.
    """
    components = bill.of("pypi")
    expected = expected_pins(lock) or {_pin(one.name, one.version) for one in components}
    try:
        packages = [one for result in json.loads(report.read_text())["results"] for one in result["packages"]]
        seen = {_pin(one["package"]["name"], one["package"]["version"]) for one in packages}
        data = _records(packages)
        found = match(components, data)
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = f"{report.name} is not a JSON report of osv-scanner: {error!r}"
        return Coverage(part="python", status="failed", reason=reason, expected=len(expected)), [], []
    name, version, advisory = ADDED
    added = match([Component(name, version, f"pkg:pypi/{name}@{version}")], data)
    control = any(advisory in one.ids for one in added)
    coverage = Coverage(
        part="python",
        status="scanned",
        tool=TOOL,
        sources=(Source("osv-scanner", len(expected & seen)),),
        records=data.records,
        newest=now.isoformat(),
        age_days=0.0,
        scanned=len(expected & seen),
        expected=len(expected),
        absent=tuple(sorted(expected - seen)),
        control=" ".join(ADDED) if control else "",
        control_missing=() if control else (" ".join(ADDED),),
    )
    return coverage, found, []


def _records(packages: list[dict[str, Any]]) -> Advisories:
    by_name: dict[str, list[Entry]] = {}
    times: list[float] = []
    for one in packages:
        name = canonicalize_name(one["package"]["name"])
        for record in one.get("vulnerabilities") or []:
            times.append(datetime.fromisoformat(record["modified"]).timestamp())
            entries = [entry for entry in record.get("affected") or [] if _names(entry, name)]
            by_name.setdefault(name, []).extend((record, entry) for entry in entries)
    return Advisories(by_name, tuple(sorted(times, reverse=True)), 0)


def _names(entry: dict[str, Any], name: str) -> bool:
    return canonicalize_name(str(entry.get("package", {}).get("name", ""))) == name


def _pin(name: str, version: str) -> str:
    return f"{canonicalize_name(name)}=={version}"
