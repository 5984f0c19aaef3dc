"""The line of a failure is run again, and the verdict is told."""

import io
import json
from pathlib import Path

import pytest

from pipeline.engine.cli.failures import CommandError
from pipeline.engine.cli.reproducing import arguments_of, failures_of, reproduce

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
