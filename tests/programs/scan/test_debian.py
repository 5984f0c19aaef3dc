"""Debian packages are judged by OSV's records and by changelogs, and the scan says by which."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.programs.interpreters import run_program
from tests.programs.scan.conftest import ADVISORIES, Scanner

pytestmark = pytest.mark.integration
CHANGELOGS = {"changelogs": 2, "released": 1783900000, "control": "expat: 9 CVEs", "failure": ""}
"""2026-07-12, a day and a half before the scan."""


def debian_bill(scanner: Scanner, **versions: str) -> Path:
    """Write a list with one wheel and these source packages of Debian 13, each as one binary package."""
    bill = scanner.bill(["jinja2==3.1.6"])
    document = json.loads(bill.read_text())
    document["components"] += [
        {
            "type": "library",
            "name": f"lib{name}",
            "version": version,
            "purl": purl(name, version),
            "properties": [{"name": "wheelhouse:source", "value": name}],
        }
        for name, version in versions.items()
    ]
    bill.write_text(json.dumps(document))
    return bill


def purl(name: str, version: str) -> str:
    """Return the package URL that the list gives a package."""
    return f"pkg:deb/debian/lib{name}@{version}?arch=amd64&distro=debian-13"


def scanned(scanner: Scanner, *more: object, policy: Any = None, release: str = "13", **versions: str) -> Any:
    """Return what a scan finds in packages of Debian by the records of the tests."""
    bill = debian_bill(scanner, **versions)
    bill.write_text(bill.read_text().replace("debian-13", f"debian-{release}"))
    return scanner.scan(bill, *more, policy=policy, advisories=ADVISORIES)


def changelogs(folder: Path, judged: list[str], findings: list[dict[str, str]]) -> Path:
    """Write what scan.changelogs writes."""
    report = folder / "debian.json"
    report.write_text(json.dumps({**CHANGELOGS, "judged": judged, "findings": findings}))
    return report


def test_a_vulnerability_without_a_fix_is_seen_and_not_counted(scanner):
    """The table has it with Debian's rating; it fails the gate only where the configuration says so."""
    result = scanned(scanner, glibc="2.41-12")

    assert [(one["id"], one["severity"], one["fixed"]) for one in result["findings"]] == [
        ("CVE-2010-4756", "high", []),
        ("CVE-2019-1010022", "none", []),
    ]
    assert result["passed"], result["failures"]
    assert "2 vulnerabilities of Debian packages have no fix in this release" in "".join(result["warnings"])
    table = (scanner.folder / "out/table.txt").read_text()
    assert "none yet" in table
    assert "and 1 that Debian rates unimportant" in table
    strict = scanned(scanner, policy={"fail_on_unfixed": True}, glibc="2.41-12")
    assert [line.partition(",")[0] for line in strict["failures"]] == [
        "libglibc 2.41-12: CVE-2010-4756 (high)"
    ]


@pytest.mark.parametrize(
    ("version", "found"),
    [
        ("3.0.7-1", ["CVE-2023-0286"]),
        ("3.0.8-1~deb13u1", ["CVE-2023-0286"]),
        ("3.0.8-1", []),
        ("3.5.1-1+deb13u1", []),
    ],
)
def test_versions_are_compared_as_debian_orders_them(scanner, version, found):
    """A version below the fix is affected, also one with a tilde; a repeated CVE adds none."""
    result = scanned(scanner, openssl=version)

    assert [one["id"] for one in result["findings"]] == found
    assert bool(result["failures"]) == bool(found)


def test_both_sources_count_the_packages_that_they_judged(scanner, tmp_path):
    """A package counts as judged when one source judged it; a CVE of both is one finding with a rating."""
    old = purl("openssl", "3.0.7-1")
    fix = {"purl": old, "cve": "CVE-2023-0286", "fixed": "3.0.8-1", "source": "openssl"}
    report = changelogs(tmp_path, [old], [fix])

    result = scanned(scanner, "--debian", report, openssl="3.0.7-1", glibc="2.41-12")

    debian = next(one for one in result["coverage"] if one["part"] == "debian")
    assert debian["sources"] == [
        {"name": "OSV (Debian 13)", "judged": 2},
        {"name": "changelogs", "judged": 1},
    ]
    assert (debian["scanned"], debian["expected"], debian["control_missing"]) == (2, 2, [])
    [both] = [one for one in result["findings"] if one["id"] == "CVE-2023-0286"]
    assert (both["found_by"], both["severity"], both["fixed"]) == ("osv, changelog", "high", ["3.0.8-1"])


def test_changelogs_alone_say_what_they_cannot_see(scanner, tmp_path):
    """Without records of Debian the scan says that vulnerabilities without a fix are not seen."""
    report = changelogs(tmp_path, [purl("glibc", "2.41-12")], [])
    bill = debian_bill(scanner, glibc="2.41-12")

    result = scanner.scan(bill, "--debian", report)

    assert result["passed"], result["failures"]
    assert "vulnerabilities that no newer package fixes are not seen" in "".join(result["warnings"])


def test_records_of_another_release_judge_nothing(scanner):
    """An image of a release that the data does not have is unscanned, never clean."""
    result = scanned(scanner, release="11", glibc="2.31-13")

    [failure] = result["failures"]
    assert "debian: not scanned: OSV (Debian 11): the data has no records of Debian 11" in failure


@pytest.mark.parametrize("indexed", [False, True])
def test_what_a_scan_leaves_behind_has_the_records_of_debian(scanner, tmp_path, indexed):
    """The records beside the findings give the same findings and the same age again."""
    place = ADVISORIES
    if indexed:
        place = tmp_path / "index"
        run_program(
            scanner.python, "scan.index", "--advisories", ADVISORIES, "--release", "13", "--out", place
        )
    bill = debian_bill(scanner, openssl="3.0.7-1", glibc="2.41-12")
    whole = scanner.scan(bill, advisories=place)

    again = scanner.scan(
        bill, advisories=(scanner.folder / "out/advisories.json").rename(tmp_path / "c.json")
    )

    assert len(again["findings"]) == 3
    ages = [{key: one[key] for key in ("part", "age_days", "control")} for one in again["coverage"]]
    assert ages == [{key: one[key] for key in ("part", "age_days", "control")} for one in whole["coverage"]]
    assert again["findings"] == whole["findings"]
