"""Scan a software list and write what was found.

    python3 -m scan.run --bill sbom.cdx.json --policy policy.json --now 2026-11-21T10:00:00+00:00 --out DIR
        [--advisories DIR|ZIP|JSON] [--lock FILE] [--debian debian.json] [--grype JSON] [--osv JSON]
        [--unreachable REASON] [--rootfs-sha256 HEX] [--location requirements/cpu.txt]

Writes findings.json, findings.sarif, openvex.json, table.txt, failures.txt (one line for each reason
why the gate fails, empty when it passes) and, where advisories are given, advisories.json (carried.py).
Exit status 0 once these are written, whatever they say; 2 when the list or the policy cannot be read.
"""

import argparse
import json
import sys
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scan.carried import write_carried
from scan.debian import scan_debian
from scan.errors import ScanError
from scan.facts import Finding, Result, gravity
from scan.gate import Decision, decide
from scan.grype import scan_grype
from scan.openvex import openvex
from scan.osv import scan_osv
from scan.policy import Policy
from scan.python import scan_python
from scan.sarif import sarif
from scan.sbom import Bill
from scan.table import table

JUDGED = frozenset({"pypi", "deb"})


def main() -> int:
    """Return 0 when the outputs are written, 2 when an input cannot be read."""
    options = _options()
    try:
        bill = Bill.load(options.bill)
        policy = Policy.load(options.policy)
        result = scan(bill, options, policy)
    except ScanError as error:
        print(f"no scan: {type(error).__name__}: {error}", file=sys.stderr)
        return 2
    decision = decide(result, policy, options.now.date())
    write(result, decision, options.out, options.location)
    if options.advisories:
        write_carried(bill, options.advisories, options.now, options.out)
    print((options.out / "table.txt").read_text(encoding="utf-8"), end="")
    return 0


def scan(bill: Bill, options: argparse.Namespace, policy: Policy) -> Result:
    """Return the result of every part."""
    lock = options.lock.read_text(encoding="utf-8") if options.lock else ""
    if options.grype:
        python, found, notes = scan_grype(bill, options.grype, lock, options.now)
    elif options.osv:
        python, found, notes = scan_osv(bill, options.osv, lock, options.now)
    else:
        python, found, notes = scan_python(bill, options.advisories, lock, options.now, options.unreachable)
    debian, fixable, more = scan_debian(
        bill, options.debian, options.advisories, options.now, options.unreachable
    )
    findings = [replace(one, requirer=bill.requirer(one.purl)) for one in (*found, *fixable)]
    return Result(
        serial=bill.serial,
        checked_at=options.now.isoformat(),
        coverage=(python, *([debian] if debian else [])),
        findings=tuple(sorted(findings, key=_order)),
        notes=(*notes, *more, *_unjudged(bill)),
        problems=tuple(bill_problems(bill, options.rootfs_sha256, policy.min_owned_share)),
    )


def bill_problems(bill: Bill, rootfs_sha256: str, least_share: float) -> list[str]:
    """Return what is wrong with the list itself: of another image, or files that nothing owns."""
    problems = []
    bound = bill.properties.get("wheelhouse:rootfs-sha256", "")
    if rootfs_sha256 and bound != rootfs_sha256:
        problems.append(
            f"the software list is of another image: it says rootfs sha256 {bound or '(none)'}; expected "
            f"{rootfs_sha256}. Create it again from this image."
        )
    if bill.files and 1 - bill.unowned / bill.files < least_share:
        problems.append(
            f"{bill.unowned} of {bill.files} files belong to no component; expected at least "
            f"{least_share:.1%} owned"
        )
    return problems


def write(result: Result, decision: Decision, out: Path, location: str) -> None:
    """Write every output below a folder."""
    out.mkdir(parents=True, exist_ok=True)
    ignored = [
        {"id": one.id, "reason": ignore.reason, "until": str(ignore.until)}
        for one, ignore in decision.ignored
    ]
    _json(
        out / "findings.json",
        {
            "tool": {"name": "wheelhouse-scan", "version": "1"},
            "checked_at": result.checked_at,
            "sbom": result.serial,
            "coverage": [one.to_json() for one in result.coverage],
            "findings": [one.to_json() for one in result.findings],
            "ignored": ignored,
            "warnings": decision.warnings,
            "failures": decision.failures,
            "verdict": decision.verdict,
            "passed": decision.verdict == "passed",
        },
    )
    _json(out / "findings.sarif", sarif(result, decision, location))
    _json(out / "openvex.json", openvex(result, decision))
    (out / "table.txt").write_text(table(result, decision), encoding="utf-8")
    (out / "failures.txt").write_text("".join(f"{one}\n" for one in decision.failures), encoding="utf-8")


def _json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(
        json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8"
    )


def _order(finding: Finding) -> tuple[float, str, str]:
    return -gravity(finding), finding.component, finding.id


def _unjudged(bill: Bill) -> list[str]:
    """Return one note for each kind of component that no part judges."""
    counted = Counter(one.ecosystem for one in bill.components if one.ecosystem not in JUDGED)
    return [
        f"{count} components of type {kind} are listed and not judged"
        for kind, count in sorted(counted.items())
    ]


def _moment(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("bill", "policy", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    for name in ("advisories", "lock", "debian", "grype", "osv"):
        parser.add_argument(f"--{name}", type=Path)
    parser.add_argument("--now", type=_moment, required=True)
    parser.add_argument("--unreachable", default="", help="why there are no advisories")
    parser.add_argument("--rootfs-sha256", default="")
    parser.add_argument("--location", default="pyproject.toml")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
