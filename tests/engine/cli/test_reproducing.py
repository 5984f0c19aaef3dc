"""The line of a failure is run again, and the verdict is told."""

import io
import json
from pathlib import Path

import pytest

from pipeline.engine.cli.failures import CommandError
from pipeline.engine.cli.reproducing import Failure, arguments_of, failures_of, located, reproduce

from .conftest import MODULES

PLAIN = MODULES / "plain"
FAILURE = {"variant": "cpu", "step": "test", "name": "t::no_such", "message": "assert 1 == 2\nmore"}


def report(folder: Path, *failures: dict[str, str], version: int = 1) -> Path:
    """Write a report.json."""
    document = {"version": version, "failures": failures}
    (folder / "report.json").write_text(json.dumps(document))
    return folder


def test_a_failure_that_comes_again_is_told(tmp_path):
    """The output names the same test: exit status 0."""
    line = f"wheelhouse call -m {PLAIN} no_such"
    out = io.StringIO()

    assert reproduce([str(report(tmp_path, FAILURE | {"wheelhouse": line}))], ["--engine=embedded"], out) == 0
    assert out.getvalue() == f"$ {line}\nthe same failure: cpu test: t::no_such: assert 1 == 2\n"


def test_another_failure_is_not_the_same(tmp_path):
    """A line that fails for another reason does not reproduce: exit status 1."""
    line = f"wheelhouse call -m {PLAIN} other"
    out = io.StringIO()

    assert reproduce([str(report(tmp_path, FAILURE | {"wheelhouse": line}))], ["--engine=embedded"], out) == 1
    assert "not reproduced: it failed with something else" in out.getvalue()


def test_what_passes_now_is_not_reproduced(tmp_path):
    """Exit status 1, and the words say that it passed."""
    line = f"wheelhouse call -m {PLAIN} --help"
    out = io.StringIO()

    assert reproduce([str(report(tmp_path, FAILURE | {"wheelhouse": line}))], ["--engine=embedded"], out) == 1
    assert out.getvalue().endswith("not reproduced: it passed\n")


def test_a_line_alone_may_be_either_programs():
    """The line of a job page is taken as it is, also for Dagger."""
    out = io.StringIO()

    assert reproduce([f"dagger call -m {PLAIN} no_such"], ["--engine=embedded"], out) == 0
    assert out.getvalue().endswith("it failed: exit code 1\n")


def test_files_of_a_report_are_found_where_the_report_lies(tmp_path):
    """A line names them below `report/`; nothing else on it is touched."""
    (tmp_path / "records.json").touch()
    line = "wheelhouse call --source=report/mine scan --advisories-file=report/records.json"

    assert located(line, tmp_path) == line.replace("report/records", f"{tmp_path}/records")


def test_a_line_with_a_value_that_nobody_has_is_not_run(tmp_path):
    """The value is told, and the flag that needs one."""
    line = "dagger call scan '--advisories-file=<the advisories that were given>'"

    with pytest.raises(
        CommandError, match=r"have the advisories that were given\. .* --advisories-file of your own"
    ):
        located(line, tmp_path)


def test_a_failure_of_another_day_is_the_same():
    """Data grow older; everything else that a failure says must come again."""
    stale = Failure(title="", sign="python: age of the data 121.3 days; expected at most 7 days")

    assert stale.is_in("x\npython: age of the data 122 days; expected at most 7 days. Fetch it again.")
    assert not stale.is_in("debian: age of the data 122 days; expected at most 7 days. Fetch it again.")


@pytest.mark.parametrize(
    "line", ["rm -rf /", "wheelhouse prune", "dagger call", "sh -c 'dagger call x'", "'"]
)
def test_only_calls_are_run(line):
    """A report from elsewhere cannot make us run anything but a function."""
    with pytest.raises(CommandError):
        arguments_of(line)


def test_a_report_of_another_version_is_refused(tmp_path):
    """Found, expected, do."""
    with pytest.raises(CommandError, match=r"version 7, expected 1\. Run `ci` anew"):
        failures_of(report(tmp_path, version=7))


def test_a_report_without_failures_has_nothing_to_show(tmp_path):
    """It is no success to run nothing."""
    with pytest.raises(CommandError, match="no failure"):
        failures_of(report(tmp_path))


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"version": 1, "failures": [{}]}'])
def test_what_is_no_report_is_refused(tmp_path, text):
    """A file of another shape is named, with what to pass."""
    (tmp_path / "report.json").write_text(text)

    with pytest.raises(CommandError, match="is no report"):
        failures_of(tmp_path)
