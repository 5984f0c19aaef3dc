"""Eight ways to blind a scan, and others: each fails by name, none is green."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.programs.interpreters import run_program
from tests.programs.scan.conftest import ADVISORIES, RECORDS, Scanner

pytestmark = pytest.mark.integration

CLEAN = ["jinja2==3.1.6"]


def reasons(scanner: Scanner, data: Path | None, *more: object, policy: Any = None) -> str:
    """Return why a scan of a clean list with broken data fails, as one text."""
    result = scanner.scan(scanner.bill(CLEAN), *more, policy=policy, advisories=data)
    assert not result["passed"]
    return "\n".join(result["failures"])


def empty_zip(folder: Path) -> Path:
    """Return an archive without a member."""
    path = folder / "all.zip"
    zipfile.ZipFile(path, "w").close()
    return path


def truncated_zip(folder: Path) -> Path:
    """Return an archive whose download was cut."""
    path = folder / "all.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(RECORDS, "records.json")
    path.write_bytes(path.read_bytes()[:-1000])
    return path


def damaged_member(folder: Path) -> Path:
    """Return an archive with one flipped bit."""
    path = folder / "all.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(RECORDS, "records.json")
    content = bytearray(path.read_bytes())
    content[5000] ^= 1
    path.write_bytes(content)
    return path


def text(name: str, content: str) -> Callable[[Path], Path]:
    """Return what writes a file with this content."""

    def write(folder: Path) -> Path:
        path = folder / name
        path.write_text(content)
        return path

    return write


def empty_folder(folder: Path) -> Path:
    """Return a folder without a file."""
    (folder / "empty").mkdir()
    return folder / "empty"


def refused(scanner: Scanner, data: Path, reason: str) -> bool:
    """Tell whether a scan with this data fails as AdvisoryDataError and says why."""
    found = reasons(scanner, data)
    return "AdvisoryDataError" in found and reason in found


@pytest.mark.parametrize(
    ("sabotage", "seen"),
    [
        (empty_zip, "found all.zip"),
        (empty_folder, "it is empty"),
        (text("all.json", "[]"), "found all.json"),
        (lambda folder: text("one.yaml", "id: X-1")(folder).parent, "found one.yaml"),
    ],
)
def test_empty_data_fails(scanner, tmp_path, sabotage, seen):
    """An archive, folder or file without a record is not evidence of anything; the reason says what it is."""
    (tmp_path / "data").mkdir()
    assert refused(scanner, sabotage(tmp_path / "data"), f"holds no advisory ({seen})")


@pytest.mark.parametrize(
    ("sabotage", "reason"),
    [
        (text("all.zip", "junk"), "not a valid zip archive"),
        (text("all.json", "{"), "Expecting"),
        (text("all.json", '{"vulnerabilities": 3}'), "no OSV record"),
        (text("all.json", '[{"id": "X-1"}]'), "`modified`"),
        (
            text("all.json", '[{"id": "X-1", "modified": "2026-07-23T00:00:00Z", "affected": []}]'),
            "no advisory of a PyPI package",
        ),
    ],
)
def test_junk_data_fails(scanner, tmp_path, sabotage, reason):
    """Data of another format, or of another ecosystem, is refused by name."""
    assert refused(scanner, sabotage(tmp_path), reason)


@pytest.mark.parametrize(
    "wrong",
    [
        {"aliases": 3},
        {"severity": ["high"]},
        {"affected": [{"package": {"ecosystem": "PyPI", "name": "jinja2"}, "versions": 3}]},
        {"affected": [{"package": {"ecosystem": "PyPI", "name": "jinja2"}, "ranges": [3]}]},
        {"affected": [{"package": "jinja2"}]},
    ],
)
def test_a_record_with_a_field_of_another_kind_fails(scanner, tmp_path, wrong):
    """One record that is not as OSV writes it makes all of the data doubtful; it is no traceback."""
    record = {"id": "X-1", "modified": "2026-07-13T00:00:00Z", "affected": []} | wrong
    data = tmp_path / "data.json"
    data.write_text(json.dumps([*json.loads(RECORDS.read_text()), record]))

    assert "AdvisoryDataError: data.json" in reasons(scanner, data)


@pytest.mark.parametrize("sabotage", [truncated_zip, damaged_member])
def test_truncated_or_damaged_data_fails(scanner, tmp_path, sabotage):
    """A download that was cut, or one flipped bit, is not a whole archive."""
    assert refused(scanner, sabotage(tmp_path), "not a valid zip archive")


def test_missing_data_fails(scanner, tmp_path):
    """A path without data is named; it is not a scan without findings."""
    assert refused(scanner, tmp_path / "nowhere.zip", "does not exist")


def test_no_data_at_all_is_unscanned_and_fails(scanner):
    """Without any data the part is unscanned, the reason is the caller's, and the gate fails."""
    assert "python: not scanned: no advisory data was given" in reasons(scanner, None)
    assert "python: not scanned: no route;" in reasons(scanner, None, "--unreachable", "no route")


@pytest.mark.parametrize(("until", "verdict"), [("2026-07-14", "unscanned"), ("2026-07-13", "failed")])
def test_a_permission_to_leave_a_part_unscanned_ends_on_its_last_day(scanner, until, verdict):
    """Until then the verdict is unscanned, never passed; a day later the gate fails."""
    policy = {"allow_skipped": {"python": {"reason": "no advisories reach this machine", "until": until}}}
    result = scanner.scan(scanner.bill(CLEAN), policy=policy, advisories=None)

    assert (result["verdict"], result["passed"], bool(result["failures"])) == (
        verdict,
        False,
        verdict == "failed",
    )
    table = (scanner.folder / "out/table.txt").read_text()
    assert "unscanned: python; the configuration allows that" in table or "ended on 2026-07-13" in table


def test_stale_data_fails(scanner):
    """Data older than the limit is not evidence, whatever the file's own date."""
    assert "age of the data 130.8 days" in reasons(scanner, RECORDS, "--now", "2026-11-21T00:00:00+00:00")


def test_a_record_from_the_future_does_not_make_data_fresh(scanner, tmp_path):
    """The age counts from the newest record that is not dated in the future."""
    records = json.loads(RECORDS.read_text())
    data = tmp_path / "data.json"
    data.write_text(json.dumps([*records, {"id": "X-1", "modified": "2099-01-01T00:00:00Z", "affected": []}]))

    assert "age of the data 130.8 days" in reasons(scanner, data, "--now", "2026-11-21T00:00:00+00:00")


def test_thin_data_misses_the_positive_control(scanner, tmp_path):
    """Data that lacks the known-bad components cannot pass: the scan would be blind."""
    data = tmp_path / "data.json"
    data.write_text(
        json.dumps([one for one in json.loads(RECORDS.read_text()) if "torch" in str(one["affected"])])
    )

    assert "the positive control failed" in reasons(scanner, data)


def test_a_package_of_the_lock_that_the_list_lacks_fails(scanner, tmp_path):
    """An image whose dist-info folders were stripped has fewer components than its lock."""
    lock = tmp_path / "lock.txt"
    pins = ["jinja2==3.1.6", "torch==2.3.0", "x==1 ; sys_platform == 'win32'"]
    lock.write_text("".join(f"{pin} --hash=sha256:aa\n" for pin in pins))

    assert "1 of 2 components scanned; not judged: torch==2.3.0" in reasons(scanner, RECORDS, "--lock", lock)


def test_a_debian_image_without_package_records_fails(scanner):
    """A Debian system without a single package in its list is not scanned, and not green."""
    bill = scanner.bill(CLEAN)
    document = json.loads(bill.read_text())
    document["components"].append({"type": "operating-system", "name": "debian", "version": "13"})
    bill.write_text(json.dumps(document))
    report = scanner.folder / "debian.json"
    report.write_text(
        json.dumps(
            {
                "judged": [],
                "findings": [],
                "control": "expat: 3",
                "changelogs": 0,
                "released": 1.8e9,
                "failure": "",
            }
        )
    )

    assert any("no component to scan" in one for one in scanner.scan(bill, "--debian", report)["failures"])


def test_versions_that_cannot_be_read_are_findings(scanner):
    """A version that PEP 440 cannot read is affected by everything that is known of the package."""
    result = scanner.scan(scanner.bill(["starlette==unknown-vendor-build"]))

    assert len(result["findings"]) == 10
    assert all("not a PEP 440 version" in one["unjudgeable"] for one in result["findings"])
    assert not result["passed"]


def test_a_network_that_died_leaves_the_debian_part_unscanned(scanner):
    """What apt could not answer fails in apt's own words, unless the configuration allows that for a time."""
    bill = scanner.bill(CLEAN)
    document = json.loads(bill.read_text())
    document["components"].append(
        {"type": "library", "name": "zlib1g", "version": "1", "purl": "pkg:deb/debian/zlib1g@1"}
    )
    bill.write_text(json.dumps(document))
    report = scanner.folder / "debian.json"
    report.write_text(json.dumps({"failure": "SourceError: apt-get failed (100): Could not\nresolve"}))

    result = scanner.scan(bill, "--debian", report)
    [reason] = result["failures"]
    assert (scanner.folder / "out/failures.txt").read_text().splitlines() == [reason]
    assert "debian: not scanned: " in reason
    assert "changelogs: SourceError: apt-get failed (100): Could not; resolve" in reason
    allowed = {"allow_skipped": {"debian": {"reason": "no mirror here", "until": "2026-12-31"}}}
    assert scanner.scan(bill, "--debian", report, policy=allowed)["verdict"] == "unscanned"


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}",
        "[]",
        "[" * 100_000,
        '{"bomFormat": "SPDX"}',
        '{"bomFormat": "CycloneDX", "components": []}',
        '{"bomFormat": "CycloneDX", "components": {"name": "jinja2"}}',
        '{"bomFormat": "CycloneDX", "components": [{"purl": "pkg:pypi/jinja2@2.10"}]}',
        '{"bomFormat": "CycloneDX", "components": [{"name": "a"}], "metadata": {"properties": [3]}}',
    ],
)
def test_a_list_that_is_none_stops_the_scan(scanner, tmp_path, content):
    """An empty or foreign software list is a BillError, not a scan of nothing."""
    bill = tmp_path / "bill.json"
    bill.write_text(content)

    done = scanner.run(bill)
    assert (done.returncode, "BillError" in done.stderr) == (2, True)


def test_an_index_of_the_records_says_what_the_records_say(scanner, tmp_path):
    """A scan by the index has the findings, the age and the control of a scan by the records."""
    bill = scanner.bill((ADVISORIES / "seed-closure.txt").read_text().split())
    direct = scanner.scan(bill)
    run_program(scanner.python, "scan.index", "--advisories", RECORDS, "--out", tmp_path / "index")

    indexed = scanner.scan(bill, advisories=tmp_path / "index")
    assert len(indexed["findings"]) == 55
    assert indexed == direct
    (tmp_path / "index/records").write_bytes(b"[")
    assert "of the index cannot be read" in reasons(scanner, tmp_path / "index")


def test_an_index_of_data_that_cannot_be_trusted_fails_the_scan(scanner, tmp_path):
    """What was wrong with the data is told by the scan, not lost with the index."""
    index = tmp_path / "index"
    data = truncated_zip(tmp_path)
    assert run_program(scanner.python, "scan.index", "--advisories", data, "--out", index).returncode == 0

    assert "not a valid zip archive" in reasons(scanner, index)
    (index / "data.json").write_text("{}")
    assert "not an index of advisories" in reasons(scanner, index)


def test_records_in_a_folder_of_zips_are_read_like_one_file(scanner, tmp_path):
    """A folder, a zip in it and a single file of the same records give the same findings."""
    folder = tmp_path / "data"
    folder.mkdir()
    with zipfile.ZipFile(folder / "all.zip", "w") as archive:
        for record in json.loads(RECORDS.read_text()):
            archive.writestr(f"{record['id']}.json", json.dumps(record))
    bill = scanner.bill((ADVISORIES / "seed-closure.txt").read_text().split())

    assert scanner.scan(bill, advisories=folder)["findings"] == scanner.scan(bill)["findings"]
