"""Match Debian packages with OSV's records of their source packages, fixed in the release or not."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from debian.debian_support import NativeVersion  # type: ignore[import-not-found]

from scan.advisories import Advisories
from scan.facts import Component, Finding
from scan.sbom import Bill
from scan.severity import Severity, severity

URGENCIES: Final = {"unimportant": "none", "low": "low", "medium": "medium", "high": "high"}
"""The security team's own rating of a CVE for a release. Source: Debian security tracker, severity levels."""
CONTROLS: Final = ("openssl", "glibc", "expat", "sqlite3", "zlib")
"""Source packages with known CVEs in every release."""


def release_of(bill: Bill) -> str:
    """Return the Debian release of a list, `13`; "" where it names none."""
    for one in bill.of("deb"):
        _, found, rest = one.purl.partition("distro=debian-")
        if found:
            return rest.partition("&")[0]
    return ""


def match_debian(components: Iterable[Component], advisories: Advisories, release: str) -> list[Finding]:
    """Return the findings of Debian packages, each CVE once per package."""
    found: dict[tuple[str, str], Finding] = {}
    for component in components:
        for record, entry in advisories.by_name.get(f"{release}/{component.source or component.name}", ()):
            if finding := _finding(component, record, entry):
                found.setdefault((finding.purl, finding.id), finding)
    return list(found.values())


def control(advisories: Advisories, release: str) -> str:
    """Return a source package whose lowest possible version has findings; "" where the data is blind."""
    for name in CONTROLS:
        lowest = Component(name, "0~", f"pkg:deb/debian/{name}@0~", name, "0~")
        if found := match_debian([lowest], advisories, release):
            return f"{name} 0~: {len(found)} CVEs of Debian {release}"
    return ""


def _finding(component: Component, record: dict[str, Any], entry: dict[str, Any]) -> Finding | None:
    version = component.source_version or component.version
    affected, fixed, doubt = _judge(version, entry)
    if not affected:
        return None
    ids = {record["id"], *record.get("aliases", ()), *record.get("upstream", ())}
    name = min(ids, key=lambda one: (not one.startswith("CVE-"), one))
    rated = _severity(record, entry)
    text = str(record.get("summary") or record.get("details") or "").strip()
    return Finding(
        id=name,
        aliases=tuple(sorted(ids - {name})),
        advisories=(record["id"],),
        component=component.name,
        version=component.version,
        purl=component.purl,
        severity=rated.rating,
        score=rated.score,
        vector=rated.vector,
        fixed=fixed,
        unjudgeable=doubt,
        summary=text.splitlines()[0][:160] if text else "",
    )


def _severity(record: dict[str, Any], entry: dict[str, Any]) -> Severity:
    """Return Debian's "unimportant" before any score: it knows how the package is built there."""
    specific = entry.get("ecosystem_specific")
    urgency = str(specific.get("urgency", "")) if isinstance(specific, dict) else ""
    if urgency == "unimportant":
        return Severity(URGENCIES[urgency])
    scored = severity([record])
    if scored.rating == "unknown" and urgency in URGENCIES:
        return Severity(URGENCIES[urgency])
    return scored


def _judge(version: str, entry: dict[str, Any]) -> tuple[bool, tuple[str, ...], str]:
    """Return whether a version is affected, what fixes it, and why that could not be judged."""
    ranges = [one for one in entry.get("ranges") or [] if one.get("type") == "ECOSYSTEM"]
    if not ranges:
        return version in (entry.get("versions") or ()), (), ""
    try:
        own = NativeVersion(version)
        events = [sorted(_events(one), key=lambda event: (event[1], event[0])) for one in ranges]
    except (ValueError, TypeError, AttributeError) as error:
        return True, (), f"a version cannot be compared: {error}"
    affected = any(_holds(own, one) for one in events)
    fixes = sorted({bound for one in events for kind, bound in one if kind == "fixed" and bound > own})
    return affected, tuple(map(str, fixes)), ""


def _events(one: dict[str, Any]) -> Iterator[tuple[str, NativeVersion]]:
    for event in one["events"]:
        for kind, bound in event.items():
            # OSV writes the lowest version as 0; Debian orders 0~ before it.
            yield kind, NativeVersion("0~~" if (kind, bound) == ("introduced", "0") else bound)


def _holds(version: NativeVersion, events: Iterable[tuple[str, NativeVersion]]) -> bool:
    held = False
    for kind, bound in events:
        if kind == "introduced" and version >= bound:
            held = True
        elif (kind == "fixed" and version >= bound) or (kind == "last_affected" and version > bound):
            held = False
    return held
