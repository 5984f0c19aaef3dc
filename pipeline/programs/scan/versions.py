"""Judge whether a version is in what an advisory calls affected (PEP 440, every kind of OSV range)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from packaging.version import InvalidVersion, Version

ORDERED: Final = ("ECOSYSTEM", "SEMVER")
"""Range kinds that order versions; GIT ranges order commits, which a wheel does not know."""
UPPER: Final = ("fixed", "last_affected", "limit")


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a version is affected, and whether that could be judged at all."""

    affected: bool
    unjudgeable: str = ""
    """Why it counts as affected although it could not be judged."""
    fixed: tuple[str, ...] = ()
    """Bounds above the version that repair it, lowest first."""


@dataclass(frozen=True, slots=True)
class Interval:
    """One stretch of affected versions; None is a bound that is open, text one that cannot be read."""

    lower: Version | str | None
    upper: Version | str | None
    closed: bool
    """Whether the upper bound itself is affected."""


def judge(text: str, affected: dict[str, Any]) -> Verdict:
    """Return the verdict on one version.

    Args:
        text: the installed version.
        affected: an `affected` entry of an OSV record.

    A version is affected when the entry lists it or any range holds it. What cannot be judged counts
    as affected and says why.

    """
    listed = [str(one) for one in affected.get("versions") or []]
    ranges = [one for one in affected.get("ranges") or [] if isinstance(one, dict)]
    ordered = [one for one in ranges if one.get("type") in ORDERED]
    version = _parse(text)
    if isinstance(version, str):
        known = text in listed or not (listed or ordered)
        return Verdict(affected=True, unjudgeable="" if known else f"{text!r} is not a PEP 440 version")
    held: bool | str = _is_listed(version, text, listed) or _in_any(version, ordered)
    if not listed and not ordered:
        kinds = ", ".join(sorted({str(one.get("type")) for one in ranges})) or "none"
        held = f"no versions and no ordered range (ranges: {kinds})"
    if not held:
        return Verdict(affected=False)
    reason = held if isinstance(held, str) else ""
    return Verdict(affected=True, unjudgeable=reason, fixed=_fixes(version, ordered))


def _in_any(version: Version, ranges: Sequence[dict[str, Any]]) -> bool | str:
    """Return whether any range holds the version, or the first reason why that cannot be judged."""
    verdicts = [_in_range(version, one.get("events")) for one in ranges]
    return True in verdicts or next((one for one in verdicts if isinstance(one, str)), False)


def _in_range(version: Version, events: Any) -> bool | str:
    """Return whether a range holds the version, or why that cannot be judged."""
    if not isinstance(events, list) or not events:
        return "a range without events"
    if broken := [event for event in events if not isinstance(event, dict) or len(event) != 1]:
        return f"an event that is not one bound: {broken[0]!r}"
    bounds = [(kind, _parse(bound)) for event in events for kind, bound in event.items()]
    if unknown := [kind for kind, _ in bounds if kind not in ("introduced", *UPPER)]:
        return f"an event of unknown kind {unknown[0]!r}"
    if all(isinstance(bound, Version) or bound in ("0", "*") for _, bound in bounds):
        bounds = sorted(bounds, key=_order)
    doubt = ""
    for interval in _intervals(bounds):
        held = _holds(interval, version)
        if held is True:
            return True
        doubt = doubt or (held if isinstance(held, str) else "")
    return doubt or False


def _intervals(bounds: Sequence[tuple[str, Version | str]]) -> Iterator[Interval]:
    """Yield the stretches that follow from bounds in order: each opens with introduced."""
    lower: Version | str | None = None
    open_ = False
    for kind, bound in bounds:
        if kind == "introduced":
            if not open_:
                lower, open_ = (None if bound == "0" else bound), True
        elif bound == "*":
            continue
        elif open_:
            yield Interval(lower, bound, kind == "last_affected")
            open_ = False
        elif lower is None:
            # An upper bound that nothing opened: everything below it.
            yield Interval(None, bound, kind == "last_affected")
    if open_:
        yield Interval(lower, None, closed=False)


def _holds(interval: Interval, version: Version) -> bool | str:
    """Return whether the stretch holds the version, or which bound cannot be read."""
    lower, upper = interval.lower, interval.upper
    if isinstance(lower, Version) and _ours(version, lower) < lower:
        return False
    if isinstance(upper, Version):
        ours = _ours(version, upper)
        if ours > upper or (ours == upper and not interval.closed):
            return False
    for bound in (lower, upper):
        if isinstance(bound, str):
            return f"bound {bound!r} is not a PEP 440 version"
    return True


def _ours(version: Version, bound: Version) -> Version:
    """Return the version to compare: 2.3.0+cpu is 2.3.0 unless the bound names a local version too."""
    return version if bound.local else Version(version.public)


def _is_listed(version: Version, text: str, listed: Sequence[str]) -> bool:
    if text in listed:
        return True
    same = {version, Version(version.public)}
    return any(parsed in same for one in listed if isinstance(parsed := _parse(one), Version))


def _fixes(version: Version, ranges: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    lists = [one["events"] for one in ranges if isinstance(one.get("events"), list)]
    events = [event for events in lists for event in events if isinstance(event, dict)]
    bounds = {_parse(event["fixed"]) for event in events if "fixed" in event}
    above = sorted(bound for bound in bounds if isinstance(bound, Version) and bound > version)
    return tuple(str(bound) for bound in above)


def _order(bound: tuple[str, Version | str]) -> tuple[int, Version, int]:
    """Sort bounds by version; where one version both ends and opens a stretch, it is affected."""
    kind, version = bound
    if isinstance(version, str):
        return (0 if version == "0" else 2, Version("0"), 0)
    return (1, version, 1 if kind == "introduced" else 2 if kind == "last_affected" else 0)


def _parse(bound: Any) -> Version | str:
    """Return the version, or the text itself where it is none; "0" and "*" are OSV's open ends."""
    text = str(bound)
    if text in ("0", "*"):
        return text
    try:
        return Version(text)
    except InvalidVersion:
        return text
