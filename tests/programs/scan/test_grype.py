"""A report of grype is held to the same rules: control, age, named components."""

import json

import pytest

from tests.programs.scan.conftest import NOW

pytestmark = pytest.mark.integration

CONTROL = {
    "vulnerability": {"id": "GHSA-6757-jp84-gxfx", "severity": "Critical", "fix": {"versions": ["5.3.1"]}},
    "relatedVulnerabilities": [{"id": "CVE-2020-1747"}],
    "artifact": {"name": "pyyaml", "version": "5.3"},
}
MATCH = {
    "vulnerability": {"id": "GHSA-f96h-pmfr-66vw", "severity": "High", "fix": {"versions": ["0.40.0"]}},
    "relatedVulnerabilities": [{"id": "CVE-2024-47874"}],
    "artifact": {"name": "starlette", "version": "0.37.2"},
}
DESCRIPTOR = {"version": "0.110.0", "db": {"status": {"built": NOW}}}
PINS = ["starlette==0.37.2"]


def test_matches_of_grype_are_findings_and_the_control_is_not(scanner, tmp_path):
    """A match of the image is a finding under its CVE; the control component never is."""
    report = tmp_path / "grype.json"
    report.write_text(json.dumps({"matches": [CONTROL, MATCH], "descriptor": DESCRIPTOR}))

    result = scanner.scan(scanner.bill(PINS), "--grype", report, advisories=None)
    assert [(one["id"], one["severity"], one["found_by"]) for one in result["findings"]] == [
        ("CVE-2024-47874", "high", "grype")
    ]
    assert "pyyaml 5.3" in result["coverage"][0]["control"]


@pytest.mark.parametrize(
    ("report", "reason"),
    [
        ({"matches": [MATCH], "descriptor": DESCRIPTOR}, "the positive control failed"),
        ({"matches": [], "descriptor": DESCRIPTOR}, "the positive control failed"),
        ({"matches": [CONTROL]}, "not a JSON report of grype"),
        (
            {"matches": [CONTROL], "descriptor": {"version": "0", "db": {"built": "2026-01-01T00:00:00Z"}}},
            "194 days",
        ),
    ],
)
def test_a_blind_or_stale_report_fails(scanner, tmp_path, report, reason):
    """A report without the control, without its database's date, or of an old database fails."""
    path = tmp_path / "grype.json"
    path.write_text(json.dumps(report))
    result = scanner.scan(scanner.bill(["jinja2==3.1.6"]), "--grype", path, advisories=None)

    assert any(reason in line for line in result["failures"])
