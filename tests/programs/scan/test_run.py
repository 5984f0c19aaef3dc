"""A whole scan: what it finds, what it says about itself, what the gate decides."""

import json

import pytest

from tests.programs.scan.conftest import ADVISORIES, NOW

pytestmark = pytest.mark.integration

CLEAN = ["jinja2==3.1.6"]
BAD = ["starlette==0.37.2"]


def seed_pins() -> list[str]:
    """Return the 77 pins of the classic torch service."""
    return (ADVISORIES / "seed-closure.txt").read_text().split()


def test_the_classic_torch_service_has_55_vulnerabilities(scanner):
    """The closure of 77 packages has 55 distinct vulnerabilities, nine of them unjudgeable."""
    found = scanner.scan(scanner.bill(seed_pins()))["findings"]

    counted = {
        name: [one["component"] for one in found].count(name)
        for name in ("transformers", "torch", "starlette")
    }
    assert (len(found), sum(bool(one["unjudgeable"]) for one in found)) == (55, 9)
    assert counted == {"transformers": 25, "torch": 23, "starlette": 7}


def test_a_clean_closure_passes_and_says_what_was_looked_at(scanner):
    """A pass states tool, records, age, components and the controls that were found."""
    result = scanner.scan(scanner.bill(CLEAN))

    [coverage] = result["coverage"]
    assert result["passed"]
    assert (coverage["scanned"], coverage["expected"], coverage["age_days"]) == (1, 1, 0.8)
    assert "CVE-2020-1747" in coverage["control"]


def test_a_name_is_the_same_however_a_package_writes_it(scanner):
    """`scikit_learn` of a wheel's own metadata is judged, also where no lock says `scikit-learn`."""
    result = scanner.scan(scanner.bill(["scikit_learn==1.9.1", *CLEAN]))

    [coverage] = result["coverage"]
    assert result["passed"]
    assert (coverage["scanned"], coverage["expected"]) == (2, 2)


def test_two_advisories_of_one_cve_are_one_finding(scanner, tmp_path):
    """Records that share an id are merged; the gravest rating and every id stay."""
    records = json.loads((ADVISORIES / "records.json").read_text())
    twin = {
        "id": "GHSA-aaaa-bbbb-cccc",
        "modified": NOW,
        "aliases": ["CVE-2025-54121"],
        "affected": [{"package": {"ecosystem": "PyPI", "name": "Starlette"}, "versions": ["0.37.2"]}],
        "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],
    }
    data = tmp_path / "more.json"
    data.write_text(json.dumps([*records, twin]))

    found = scanner.scan(scanner.bill(BAD), advisories=data)["findings"]
    merged = next(one for one in found if one["id"] == "CVE-2025-54121")

    assert len(found) == 7
    assert (merged["score"], "GHSA-aaaa-bbbb-cccc" in merged["advisories"]) == (9.8, True)


@pytest.mark.parametrize(
    ("vectors", "rating"),
    [
        ([("CVSS_V4", "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N")], "critical"),
        ([("CVSS_V3", "CVSS:3.1/AV:L/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N")], "low"),
        ([("CVSS_V3", "junk")], "unknown"),
        ([], "unknown"),
    ],
)
def test_the_rating_follows_from_the_vectors(scanner, tmp_path, vectors, rating):
    """Severity is the base score of the record's vectors; without a readable one it is unknown."""
    records = json.loads((ADVISORIES / "records.json").read_text())
    one = {
        "id": "PYSEC-2026-1",
        "modified": NOW,
        "affected": [{"package": {"ecosystem": "PyPI", "name": "demo"}, "versions": ["1"]}],
        "severity": [{"type": kind, "score": score} for kind, score in vectors],
    }
    data = tmp_path / "data.json"
    data.write_text(json.dumps([*records, one]))

    [finding] = scanner.scan(scanner.bill(["demo==1"]), advisories=data)["findings"]

    assert finding["severity"] == rating


def test_a_finding_without_rating_fails_at_every_level(scanner):
    """An unknown severity counts as grave: it fails even where only critical ones do."""
    result = scanner.scan(scanner.bill(BAD), policy={"fail_on": "critical"})

    assert [line for line in result["failures"] if "unknown" in line]


def test_a_withdrawn_advisory_is_no_finding(scanner, tmp_path):
    """A withdrawn record is not held against a component."""
    records = json.loads((ADVISORIES / "records.json").read_text())
    data = tmp_path / "data.json"
    kept = [
        one | ({"withdrawn": NOW} if one["affected"][0]["package"]["name"] == "starlette" else {})
        for one in records
    ]
    data.write_text(json.dumps(kept))

    assert scanner.scan(scanner.bill(BAD), advisories=data)["findings"] == []


def test_a_finding_says_which_requirement_brings_it_in(scanner):
    """The way from the service's own requirement to the component is part of the finding."""
    bill = scanner.bill(["fastapi==0.111.0", *BAD])
    document = json.loads(bill.read_text())
    service = document["dependencies"][0]
    service["dependsOn"] = ["pkg:pypi/fastapi@0.111.0"]
    document["dependencies"].append(
        {"ref": "pkg:pypi/fastapi@0.111.0", "dependsOn": ["pkg:pypi/starlette@0.37.2"]}
    )
    bill.write_text(json.dumps(document))

    assert {one["requirer"] for one in scanner.scan(bill)["findings"]} == {"fastapi > starlette"}


def test_every_form_of_output_holds_every_finding(scanner):
    """SARIF, OpenVEX and the table hold the same findings as findings.json."""
    found = {one["id"] for one in scanner.scan(scanner.bill(BAD))["findings"]}
    out = scanner.folder / "out"
    sarif = json.loads((out / "findings.sarif").read_text())["runs"][0]
    vex = json.loads((out / "openvex.json").read_text())["statements"]
    table = (out / "table.txt").read_text()

    assert (
        found == {one["ruleId"] for one in sarif["results"]} == {one["vulnerability"]["name"] for one in vex}
    )
    assert all(name in table for name in found)


def test_the_table_begins_with_the_gravest(scanner):
    """The table is sorted by severity, what has no rating first."""
    scanner.scan(scanner.bill(seed_pins()))
    rows = (scanner.folder / "out" / "table.txt").read_text().splitlines()[1:56]

    ratings = [row.split()[0] for row in rows]
    assert ratings == sorted(ratings, key=["unknown", "critical", "high", "medium", "low"].index)
