"""The records that a scan leaves behind are enough to do it again."""

import json
from pathlib import Path

import pytest

from tests.programs.interpreters import run_program
from tests.programs.scan.conftest import ADVISORIES, RECORDS, Scanner
from tests.programs.scan.test_sabotage import truncated_zip

pytestmark = pytest.mark.integration
LATER = "2026-11-21T00:00:00+00:00"


def carried(scanner: Scanner) -> Path:
    """Return the records beside the findings, moved to where a later scan does not write."""
    return (scanner.folder / "out/advisories.json").rename(scanner.folder / "carried.json")


@pytest.mark.parametrize("indexed", [False, True])
def test_a_scan_by_the_records_left_behind_says_the_same(scanner, tmp_path, indexed):
    """55 findings, age, control and verdict come again from what is about the list's packages alone."""
    data = [
        *json.loads(RECORDS.read_text()),
        {"id": "X-1", "modified": "2099-01-01T00:00:00Z", "affected": []},
    ]
    other = {"ecosystem": "PyPI", "name": "nowhere"}
    data.append({"id": "X-2", "modified": "2026-11-20T00:00:00Z", "affected": [{"package": other}]})
    place = tmp_path / "data.json"
    place.write_text(json.dumps(data))
    if indexed:
        run_program(scanner.python, "scan.index", "--advisories", place, "--out", tmp_path / "index")
        place = tmp_path / "index"
    bill = scanner.bill((ADVISORIES / "seed-closure.txt").read_text().split())
    whole = scanner.scan(bill, "--now", LATER, advisories=place)

    again = scanner.scan(bill, "--now", LATER, advisories=carried(scanner))

    assert (len(again["findings"]), again["coverage"][0]["age_days"]) == (55, 1.0)
    # Of a record from the future, which is only warned of, nothing is left.
    assert {**again, "coverage": 0, "warnings": 0} == {**whole, "coverage": 0, "warnings": 0}
    assert {**again["coverage"][0], "records": 0} == {**whole["coverage"][0], "records": 0}
    assert "nowhere" not in (scanner.folder / "carried.json").read_text()


def test_data_that_was_refused_leaves_no_records(scanner, tmp_path):
    """What could not be read cannot be carried: the failure itself says what was wrong."""
    bill = scanner.bill(["jinja2==3.1.6"])
    scanner.scan(bill)
    assert carried(scanner).exists()

    scanner.scan(bill, advisories=truncated_zip(tmp_path))

    assert not (scanner.folder / "out/advisories.json").exists()
