"""The gate of a report: nothing green without a reason, every failure with its lines."""

import shlex

import pytest

from pipeline.check.ci import CiRun
from pipeline.check.outcome import Outcome
from pipeline.check.report import VERSION, _arguments, _step_facts, require_good
from pipeline.check.reproduce import Place
from pipeline.check.scan import Advisories
from pipeline.errors import ChecksFailedError, PipelineError
from pipeline.variants import Base, Variant

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

    assert require_good(report) == "2 passed, 0 failed, 1 skipped, 0 unscanned"


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

    with pytest.raises(PipelineError, match=r"expected 1\. Run `ci` again"):
        require_good(report)


def line(run: CiRun, name: str, *, carried: bool = False) -> str:
    """Return the line for Dagger that a step of the api image gets."""
    outcome = Outcome(variant=Variant.API, step=name)
    return str(_step_facts(outcome, Place(), _arguments(outcome, run, carried=carried))["dagger"])


def test_a_scan_without_a_network_is_repeated_without_one():
    """The line has every flag that made the step what it was, and no default."""
    run = CiRun(
        variants=[Variant.API],
        base=Base.SLIM,
        advisories=Advisories(offline=True),
        now="2026-11-21T10:00:00+00:00",
    )

    assert line(run, "scan") == "dagger call scan --variant=api --base=slim --offline=true"
    assert line(run, "test") == "dagger call test --variant=api --base=slim"


@pytest.mark.parametrize(
    ("carried", "value"),
    [
        (True, "report/api/scan/advisories.json"),
        (False, "<the advisories that were given: they could not be read, and are not here>"),
    ],
)
def test_a_scan_by_given_data_is_repeated_by_what_it_read_of_it(carried, value):
    """The caller's path is unknown: the line takes the records from the report, or says why not."""
    given = Advisories(file=object())  # type: ignore[arg-type]  # only whether there is one counts
    run = CiRun(variants=[Variant.API], base=Base.SMALL, advisories=given, now="2026-11-21T10:00:00+00:00")

    words = shlex.split(line(run, "scan", carried=carried))

    assert words == ["dagger", "call", "scan", "--variant=api", f"--advisories-file={value}"]
    assert "advisories" not in line(run, "test", carried=carried)
