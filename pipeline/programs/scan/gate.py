"""Decide whether a scan passes: every reason against it is listed, not the first."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final

from scan.facts import SEVERITIES, Coverage, Finding, Result
from scan.policy import Ignore, Policy

NO_CONTROL: Final = "no positive control was found"


@dataclass(frozen=True, slots=True)
class Decision:
    """What the gate says."""

    failures: tuple[str, ...]
    warnings: tuple[str, ...]
    ignored: tuple[tuple[Finding, Ignore], ...]
    """Findings that a valid ignore covers."""
    scanned: bool
    """Whether every part was scanned."""

    @property
    def verdict(self) -> str:
        """Return failed, unscanned (a part was not scanned, and the policy allows that) or passed."""
        if self.failures:
            return "failed"
        return "passed" if self.scanned else "unscanned"


def decide(result: Result, policy: Policy, today: date) -> Decision:
    """Return the decision on a scan."""
    valid = [one for one in policy.ignores if one.until >= today]
    covered = [(finding, ignore) for finding in result.findings if (ignore := ignore_for(finding, valid))]
    ignored = {id(finding) for finding, _ in covered}
    left = [finding for finding in result.findings if id(finding) not in ignored]
    failures = [
        *result.problems,
        *(line for coverage in result.coverage for line in _blindness(coverage, policy, today)),
        *(_line(finding) for finding in left if _counts(finding, policy)),
        *(
            f"ignore of {one.id} ended on {one.until}: decide again"
            for one in policy.ignores
            if one.until < today
        ),
    ]
    scanned = all(coverage.status == "scanned" for coverage in result.coverage)
    # apt says several lines for one reason; each line of failures.txt is a reason.
    lines = tuple("; ".join(one.splitlines()) for one in failures)
    return Decision(lines, tuple(_warnings(result, policy, valid)), tuple(covered), scanned)


def ignore_for(finding: Finding, ignores: list[Ignore]) -> Ignore | None:
    """Return the ignore that covers a finding.

    An advisory may tell of several CVEs: then each of them must be ignored, so that an ignore never
    covers more than it names.
    """
    matching = [one for one in ignores if one.id in finding.ids]
    cves = {name for name in finding.ids if name.startswith("CVE-")}
    if len(cves) > 1 and not cves <= {one.id for one in matching}:
        return None
    return matching[0] if matching else None


def _blindness(coverage: Coverage, policy: Policy, today: date) -> Iterator[str]:
    """Yield why a part of the scan is not evidence."""
    part = coverage.part
    if coverage.status == "failed":
        yield f"{part}: not scanned: {coverage.reason}"
    elif coverage.status == "unscanned":
        allowed = policy.allow_skipped.get(part)
        if allowed is None:
            yield (
                f"{part}: not scanned: {coverage.reason}; expected a scan, or allow_skipped.{part} with a "
                "reason and a date"
            )
        elif allowed.until < today:
            yield f"{part}: not scanned: {coverage.reason}; allow_skipped.{part} ended on {allowed.until}"
    else:
        yield from _doubts(coverage, policy.max_age_days)


def _doubts(coverage: Coverage, max_age_days: float) -> Iterator[str]:
    part = coverage.part
    if coverage.control_missing or not coverage.control:
        missing = ", ".join(coverage.control_missing) or NO_CONTROL
        yield f"{part}: the positive control failed ({missing}): the data or the matcher is blind"
    if coverage.age_days is None or coverage.age_days > max_age_days:
        age = "unknown" if coverage.age_days is None else f"{coverage.age_days:g} days"
        yield f"{part}: age of the data {age}; expected at most {max_age_days:g} days. Fetch it again."
    if coverage.scanned < coverage.expected or coverage.absent:
        absent = ", ".join(coverage.absent) or "some"
        yield f"{part}: {coverage.scanned} of {coverage.expected} components scanned; not judged: {absent}"
    if not coverage.expected:
        yield f"{part}: no component to scan; expected at least one"


def _counts(finding: Finding, policy: Policy) -> bool:
    """Return whether a finding fails the gate; one without any rating counts as grave."""
    fail_on = policy.fail_on
    if fail_on == "never" or (finding.unfixed and not policy.fail_on_unfixed):
        return False
    return finding.severity == "unknown" or SEVERITIES.index(finding.severity) >= SEVERITIES.index(fail_on)


def _line(finding: Finding) -> str:
    fix = f"fixed in {finding.fixed[0]}" if finding.fixed else "no fix known"
    doubt = f"; unjudgeable: {finding.unjudgeable}" if finding.unjudgeable else ""
    return (
        f"{finding.component} {finding.version}: {finding.id} ({finding.severity}), {fix}, "
        f"required by {finding.requirer or 'nothing known'}{doubt}"
    )


def _warnings(result: Result, policy: Policy, valid: list[Ignore]) -> Iterator[str]:
    yield from result.notes
    for coverage in result.coverage:
        if coverage.status == "unscanned" and (allowed := policy.allow_skipped.get(coverage.part)):
            yield f"{coverage.part} was not scanned; accepted until {allowed.until}: {allowed.reason}"
    for one in valid:
        if not any(one.id in finding.ids for finding in result.findings):
            yield f"ignore of {one.id} is unused: remove it"
    if not policy.fail_on_unfixed and (unfixed := sum(one.unfixed for one in result.findings)):
        yield (
            f"{unfixed} vulnerabilities of Debian packages have no fix in this release: reported, not "
            "counted (fail_on_unfixed)"
        )
    if unjudgeable := [finding for finding in result.findings if finding.unjudgeable]:
        yield f"{len(unjudgeable)} findings are unjudgeable and count as affected"
