"""The Python part of a scan: our own matcher over OSV data."""

from datetime import datetime
from pathlib import Path
from typing import Final

from lib.requirement_lock import locked_pins
from packaging.utils import canonicalize_name

from scan.advisories import Advisories
from scan.control import control
from scan.errors import AdvisoryDataError
from scan.facts import Coverage, Finding, Source
from scan.index import opened
from scan.match import match
from scan.sbom import Bill

TOOL: Final = "wheelhouse-scan 1 (OSV)"
NO_DATA: Final = "no advisory data was given; pass --advisories or --advisories-url"


def scan_python(
    bill: Bill, advisories: Path | None, lock: str, now: datetime, unreachable: str = ""
) -> tuple[Coverage, list[Finding], list[str]]:
    """Return what was covered, the findings, and notes about the data.

    Args:
        bill: the software list.
        advisories: OSV data, or the index that scan.index made of it; None: the part is unscanned.
        lock: hash-pinned requirements: what the list must name; "" where it is not known.
        now: the time that the age of the data is counted from.
        unreachable: why there is no data.

    """
    components = bill.of("pypi")
    listed = {f"{canonicalize_name(one.name)}=={one.version}" for one in components}
    expected = expected_pins(lock) or listed
    if advisories is None:
        reason = unreachable or NO_DATA
        return Coverage(part="python", status="unscanned", reason=reason, expected=len(expected)), [], []
    try:
        data = opened(advisories)
        controls = control(data)
        findings = match(components, data)
    except AdvisoryDataError as error:
        reason = f"AdvisoryDataError: {error}"
        return Coverage(part="python", status="failed", reason=reason, expected=len(expected)), [], []
    future = data.future(now)
    notes = [f"{future} advisories are dated in the future"] if future else []
    return _coverage(data, controls, listed, expected, now), findings, notes


def _coverage(
    data: Advisories,
    controls: tuple[str, tuple[str, ...]],
    listed: set[str],
    expected: set[str],
    now: datetime,
) -> Coverage:
    """Return what was scanned of what was expected, both `name==version`."""
    found, missing = controls
    return Coverage(
        part="python",
        status="scanned",
        tool=TOOL,
        sources=(Source("OSV (PyPI)", len(expected & listed)),),
        records=data.records,
        newest=data.newest(now).isoformat(),
        age_days=data.age_days(now),
        scanned=len(expected & listed),
        expected=len(expected),
        absent=tuple(sorted(expected - listed)),
        control=found,
        control_missing=missing,
    )


def expected_pins(lock: str) -> set[str]:
    """Return `name==version` of every pin whose marker holds on this Python."""
    return {f"{pin.name}=={pin.version}" for pin in locked_pins(lock) if pin.applies}
