"""The Python part of a scan as grype reports it (JSON output of `grype sbom:… -o json`)."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from scan.control import ADDED
from scan.facts import Coverage, Finding, Source
from scan.python import expected_pins
from scan.sbom import Bill


def scan_grype(
    bill: Bill, report: Path, lock: str, now: datetime
) -> tuple[Coverage, list[Finding], list[str]]:
    """Return what grype covered, its matches, and notes.

    grype's report must hold a match of the control component that the room added to its input.
    """
    components = {f"{canonicalize_name(one.name)}=={one.version}": one for one in bill.of("pypi")}
    expected = expected_pins(lock) or set(components)
    try:
        document = json.loads(report.read_text(encoding="utf-8"))
        matches = document["matches"]
        built = datetime.fromisoformat(str(_built(document)))
        found = [finding for one in matches if (finding := _finding(one, components))]
        control = any(_is_control(one) for one in matches)
        version = str(document["descriptor"]["version"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = f"{report.name} is not a JSON report of grype: {error!r}"
        return Coverage(part="python", status="failed", reason=reason, expected=len(expected)), [], []
    name = " ".join(ADDED)
    coverage = Coverage(
        part="python",
        status="scanned",
        tool=f"grype {version}",
        sources=(Source("grype", len(expected & set(components))),),
        records=len(matches),
        newest=built.isoformat(),
        age_days=round(max((now - built).total_seconds(), 0) / 86400, 1),
        scanned=len(expected & set(components)),
        expected=len(expected),
        absent=tuple(sorted(expected - set(components))),
        control=name if control else "",
        control_missing=() if control else (name,),
    )
    return coverage, found, []


def _built(document: dict[str, Any]) -> Any:
    """Return when grype's database was built; its place differs between the versions of the schema."""
    database = document["descriptor"]["db"]
    return database["built"] if "built" in database else database["status"]["built"]


def _is_control(entry: dict[str, Any]) -> bool:
    artifact = entry["artifact"]
    related = {one["id"] for one in entry.get("relatedVulnerabilities", [])} | {entry["vulnerability"]["id"]}
    return (artifact["name"].lower(), artifact["version"]) == ADDED[:2] and ADDED[2] in related


def _finding(entry: dict[str, Any], components: dict[str, Any]) -> Finding | None:
    artifact, vulnerability = entry["artifact"], entry["vulnerability"]
    component = components.get(f"{canonicalize_name(artifact['name'])}=={artifact['version']}")
    if component is None:
        return None
    ids = {vulnerability["id"], *(one["id"] for one in entry.get("relatedVulnerabilities", []))}
    name = min(ids, key=lambda one: (not one.startswith("CVE-"), one))
    severity = str(vulnerability.get("severity", "")).lower()
    return Finding(
        id=name,
        aliases=tuple(sorted(ids - {name})),
        advisories=(vulnerability["id"],),
        component=component.name,
        version=component.version,
        purl=component.purl,
        severity=severity if severity in ("low", "medium", "high", "critical") else "unknown",
        fixed=tuple(vulnerability.get("fix", {}).get("versions", ())),
        summary=str(vulnerability.get("description", "")),
        found_by="grype",
    )
