"""The gate of a report: nothing green without a reason, every failure with its lines."""

import pytest

from pipeline.errors import ChecksFailedError, PipelineError
from pipeline.report import VERSION, require_good

FAILURE = {
    "variant": "cpu",
    "step": "test",
    "name": "t::breaks",
    "message": "assert 1 == 2\nmore",
    "dagger": "dagger call test --variant=cpu",
    "wheelhouse": "wheelhouse call test --variant=cpu",
}
CHECKS = [{"status": "passed"}, {"status": "passed"}, {"status": "skipped"}]


def test_a_good_report_is_counted():
    """One line, also with what was skipped."""
    report = {"version": VERSION, "status": "passed", "failures": [], "checks": CHECKS}

    assert require_good(report) == "2 passed, 0 failed, 1 skipped"


def test_every_failure_is_listed_with_both_lines():
    """The first line of what was found, then what to paste."""
    report = {"version": VERSION, "status": "failed", "failures": [FAILURE, FAILURE | {"variant": "api"}]}

    with pytest.raises(ChecksFailedError) as refused:
        require_good(report)

    lines = str(refused.value).splitlines()
    assert lines[:4] == [
        "ci: 2 failed",
        "  - cpu test: t::breaks: assert 1 == 2",
        "      dagger call test --variant=cpu",
        "      wheelhouse call test --variant=cpu",
    ]
    assert "  - api test: t::breaks: assert 1 == 2" in lines


def test_a_report_without_anything_right_is_refused():
    """No failure is not enough."""
    report = {"version": VERSION, "status": "failed", "failures": [], "checks": []}

    with pytest.raises(ChecksFailedError, match="nothing was found to be right"):
        require_good(report)


@pytest.mark.parametrize("version", [None, 0, 2, "1"])
def test_a_report_of_another_version_is_refused(version):
    """It may mean something else by the same words."""
    report = {"version": version, "status": "passed", "failures": [], "checks": CHECKS}

    with pytest.raises(PipelineError, match=r"expected 1\. Run `ci` anew"):
        require_good(report)
