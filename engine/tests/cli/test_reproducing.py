"""The line of a failure is run again, and the verdict is told."""

import io
import json
from pathlib import Path

import pytest

from wheelhouse_engine.cli.changes import Consent
from wheelhouse_engine.cli.failures import CommandError
from wheelhouse_engine.cli.permitted import arguments_of
from wheelhouse_engine.cli.reproducing import Failure, failures_of, located, reproduce

from .conftest import MODULES

PLAIN = MODULES / "plain"
YES = Consent(given=True, ask=None)
EMBEDDED = ["--engine=embedded"]
COMMIT = "0123456789abcdef0123456789abcdef01234567"
FAILURE = {"variant": "cpu", "step": "test", "name": "t::no_such", "message": "assert 1 == 2\nmore"}


def report(folder: Path, *failures: dict[str, str], version: int = 1) -> Path:
    """Write a report.json."""
    document = {"version": version, "failures": failures}
    (folder / "report.json").write_text(json.dumps(document))
    return folder


def test_a_failure_that_comes_again_is_told(tmp_path, monkeypatch):
    """The output names the same test: exit status 0."""
    monkeypatch.chdir(PLAIN)
    line = "wheelhouse call no_such"
    out = io.StringIO()

    assert reproduce([str(report(tmp_path, FAILURE | {"wheelhouse": line}))], EMBEDDED, YES, out) == 0
    assert out.getvalue() == f"$ {line}\nthe same failure: cpu test: t::no_such: assert 1 == 2\n"


def test_another_failure_is_not_the_same(tmp_path, monkeypatch):
    """A line that fails for another reason does not reproduce: exit status 1."""
    monkeypatch.chdir(PLAIN)
    line = "wheelhouse call other"
    out = io.StringIO()

    assert reproduce([str(report(tmp_path, FAILURE | {"wheelhouse": line}))], EMBEDDED, YES, out) == 1
    assert "not reproduced: it failed with something else" in out.getvalue()


def test_what_passes_now_is_not_reproduced(tmp_path, monkeypatch):
    """Exit status 1, and the words say that it passed."""
    monkeypatch.chdir(PLAIN)
    line = "wheelhouse call --word=w word-back"
    out = io.StringIO()

    assert reproduce([str(report(tmp_path, FAILURE | {"wheelhouse": line}))], EMBEDDED, YES, out) == 1
    assert out.getvalue().endswith("not reproduced: it passed\n")


def test_a_line_alone_may_be_either_programs(monkeypatch):
    """The line of a job page is taken as it is, also for Dagger."""
    monkeypatch.chdir(PLAIN)
    out = io.StringIO()

    assert reproduce(["dagger call no_such"], EMBEDDED, YES, out) == 0
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
        CommandError,
        match=r"have the advisories that were given\. Pass it: .* --advisories-file=… ",
    ):
        located(line, tmp_path)


def test_values_that_a_report_does_not_have_are_given_to_reproduce(tmp_path):
    """Module and service of the call, as whoever reproduces it names them, in the places of the line."""
    line = "dagger call -m '<the module>' '--source=<the service>' --index-url=a=b test --variant=cpu"

    found = located(line, tmp_path, {"-m": "../wheelhouse", "--source": "."})

    assert found == "dagger call -m ../wheelhouse --source=. --index-url=a=b test --variant=cpu"


def test_a_module_and_a_service_of_elsewhere_are_run(tmp_path, monkeypatch):
    """The flags before the report reach the call, also a module in a folder that the user names."""
    monkeypatch.chdir(tmp_path)
    line = "wheelhouse call -m '<the module>' '--word=<the word>' word-back"
    folder = report(tmp_path, FAILURE | {"wheelhouse": line})
    out = io.StringIO()

    reproduce(["-m", str(PLAIN), "--word=w", str(folder)], EMBEDDED, YES, out)

    assert out.getvalue() == f"$ wheelhouse call -m {PLAIN} --word=w word-back\nnot reproduced: it passed\n"


@pytest.mark.parametrize("words", [["--source=."], ["-m", "x"]])
def test_flags_without_a_report_are_refused(words):
    """The message says what to pass."""
    with pytest.raises(CommandError, match="no report"):
        reproduce(words, EMBEDDED, YES, io.StringIO())


def test_a_failure_of_another_day_is_the_same():
    """Data grow older; everything else that a failure says must come again."""
    stale = Failure(title="", sign="python: age of the data 121.3 days; expected at most 7 days")

    assert stale.is_in("x\npython: age of the data 122 days; expected at most 7 days. Fetch it again.")
    assert not stale.is_in("debian: age of the data 122 days; expected at most 7 days. Fetch it again.")


@pytest.mark.parametrize(
    "line",
    [
        "rm -rf /",
        "wheelhouse prune",
        "dagger call",
        "sh -c 'dagger call x'",
        "'",
        "wheelhouse call -m report/evil check",
        "wheelhouse call --mod=report/evil check",
        "wheelhouse call -m./evil check",
        f"wheelhouse call -m file:///tmp/evil@{COMMIT} check",
        "wheelhouse call -m github.com/some/one check",
        "wheelhouse call -m github.com/some/one@main check",
        f"wheelhouse call -m github.com/some/one@{COMMIT} -m report/evil check",
        "wheelhouse call publish --key=cmd://id",
        "wheelhouse call '--key=CMD:touch /tmp/x' publish",
        "wheelhouse call -o /root/.profile build",
        "wheelhouse call build --output=/root/.profile",
        "wheelhouse call build export --path=/root/.profile",
        "wheelhouse call -y lock",
        "wheelhouse call --interactive-command=sh build",
    ],
)
def test_only_calls_of_a_named_function_are_run(line, tmp_path):
    """A stranger's report cannot load a module of its own, run a command, or write a file."""
    with pytest.raises(CommandError):
        arguments_of(line)
    with pytest.raises(CommandError):
        reproduce([str(report(tmp_path, FAILURE | {"wheelhouse": line}))], EMBEDDED, YES, io.StringIO())


def test_a_module_at_a_commit_may_be_run():
    """What `ci` prints: the module by address and commit, and flags with values."""
    line = f"wheelhouse call -m github.com/some/one@{COMMIT} --source=x scan --variant=cpu"

    assert arguments_of(line) == line.split()[1:]


def test_nothing_is_run_before_somebody_agrees(tmp_path, monkeypatch):
    """The line is shown, control characters too; "no" runs nothing."""
    monkeypatch.chdir(PLAIN)
    folder = report(tmp_path, FAILURE | {"wheelhouse": "wheelhouse call '--word=\x1b[8mx' no_such"})
    asked: list[str] = []
    out = io.StringIO()

    def refuse(question: str) -> bool:
        asked.append(out.getvalue())
        assert question == "Run this line? [y/N] "
        return False

    assert reproduce([str(folder)], EMBEDDED, Consent(given=False, ask=refuse), out) == 1
    assert asked == ["  wheelhouse call '--word=\\x1b[8mx' no_such\n"]
    assert out.getvalue() == f"{asked[0]}Nothing was run.\n"


def test_nothing_is_run_where_nobody_can_be_asked(tmp_path):
    """Without a terminal the consent is a flag."""
    folder = report(tmp_path, FAILURE | {"wheelhouse": "wheelhouse call no_such"})

    with pytest.raises(CommandError, match="--yes"):
        reproduce([str(folder)], EMBEDDED, Consent(given=False, ask=None), io.StringIO())


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
