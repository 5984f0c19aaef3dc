"""A report of osv-scanner is held to the same rules: control, named components, unjudgeable bounds."""

import json
import os
import shutil
import subprocess
import zipfile

import pytest

from tests.programs.scan.conftest import RECORDS

pytestmark = pytest.mark.integration

PINS = ["starlette==0.37.2"]


def record(name: str, version: str) -> dict[str, object]:
    """Return what osv-scanner says of one package: the subset's records that name it."""
    known = [one for one in json.loads(RECORDS.read_text()) if one["affected"][0]["package"]["name"] == name]
    return {
        "package": {"name": name, "version": version, "ecosystem": "PyPI"},
        "vulnerabilities": known,
    }


CONTROL = record("pyyaml", "5.3")


def test_records_of_osv_scanner_are_findings_and_the_control_is_not(scanner, tmp_path):
    """The findings are those of the records; the control component never is one."""
    report = tmp_path / "osv.json"
    report.write_text(json.dumps({"results": [{"packages": [CONTROL, record(*PINS[0].split("=="))]}]}))

    result = scanner.scan(scanner.bill(PINS), "--osv", report, advisories=None)
    assert {one["component"] for one in result["findings"]} == {"starlette"}
    assert len(result["findings"]) == 7
    assert "pyyaml 5.3" in result["coverage"][0]["control"]


@pytest.mark.parametrize(
    ("report", "reason"),
    [
        ({"results": []}, "the positive control failed"),
        ({"results": [{"packages": [CONTROL]}]}, "0 of 1 components scanned"),
        ({}, "not a JSON report of osv-scanner"),
        ([], "not a JSON report of osv-scanner"),
    ],
)
def test_a_blind_report_fails(scanner, tmp_path, report, reason):
    """A report without the control, without the components, or of another form fails."""
    path = tmp_path / "osv.json"
    path.write_text(json.dumps(report))
    result = scanner.scan(scanner.bill(PINS), "--osv", path, advisories=None)

    assert any(reason in line for line in result["failures"])


@pytest.mark.skipif(shutil.which("osv-scanner") is None, reason="osv-scanner is not on PATH")
def test_the_real_scanner_writes_what_is_read(scanner, tmp_path):
    """The report of a real osv-scanner on the same records gives the same findings."""
    data = tmp_path / "osv-scalibr/PyPI/all.zip"
    data.parent.mkdir(parents=True)
    with zipfile.ZipFile(data, "w") as archive:
        for one in json.loads(RECORDS.read_text()):
            archive.writestr(f"{one['id']}.json", json.dumps(one))
    bill = scanner.bill([*PINS, "pyyaml==5.3"]).rename(tmp_path / "bill.cdx.json")
    document = json.loads(bill.read_text())
    bill.write_text(json.dumps(document | {"specVersion": "1.6", "version": 1, "serialNumber": "urn:uuid:0"}))
    command = ["osv-scanner", "scan", "source", "--offline", f"--lockfile={bill}", "--all-packages"]
    report = tmp_path / "osv.json"
    subprocess.run(
        [*command, "--format=json", f"--output-file={report}"],
        check=False,
        capture_output=True,
        env=os.environ | {"OSV_SCANNER_LOCAL_DB_CACHE_DIRECTORY": str(tmp_path)},
    )

    result = scanner.scan(scanner.bill(PINS), "--osv", report, advisories=None)
    assert len(result["findings"]) == 7
