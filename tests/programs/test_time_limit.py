"""Tests that hang, crash or fail leave their log and a JUnit file behind."""

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

pytestmark = pytest.mark.integration

PROGRAM = Path(__file__).parents[2] / "pipeline" / "programs" / "time_limit.py"
PYTEST = [
    sys.executable,
    "-m",
    "pytest",
    "-q",
    "-p",
    "no:cacheprovider",
    "--junitxml={out}/junit.xml",
    "{out}",
]


def limited(
    out: Path, command: list[str], seconds: float = 300
) -> tuple[int, str, dict[str, object], ET.Element]:
    """Run a command under the limit; return exit code, log, end and JUnit."""
    words = [sys.executable, str(PROGRAM), "--seconds", str(seconds), "--name", "tests"]
    words += ["--out", "{out}", "--", *command]
    words = [word.format(out=out) for word in words]
    code = subprocess.run(words, check=False, capture_output=True).returncode
    end = json.loads((out / "tests.json").read_text())
    junit = ET.parse(out / "junit.xml").getroot()  # noqa: S314 - our own file
    return code, (out / "tests.log").read_text(), end, junit


def test_what_passes_is_left_as_it_is(tmp_path):
    """Exit code 0, pytest's own JUnit file, the log."""
    (tmp_path / "test_a.py").write_text("def test_a(): pass")

    code, log, end, junit = limited(tmp_path, PYTEST)

    assert (code, end["exit_code"]) == (0, 0)
    assert "1 passed" in log
    assert not list(junit.iter("failure"))


def test_a_hanging_test_is_ended_and_named(tmp_path):
    """At the limit pytest is interrupted: the log says the line, JUnit has the tests before and a failure."""
    (tmp_path / "test_a.py").write_text("import time\ndef test_a(): pass\ndef test_b(): time.sleep(600)")

    code, log, end, junit = limited(tmp_path, PYTEST, seconds=12)

    assert (code, end["exit_code"]) == (124, 124)
    assert "test_a.py:3: KeyboardInterrupt" in log
    assert {case.get("name") for case in junit.iter("testcase")} >= {"test_a", "time limit"}
    assert [one.get("message", "")[:17] for one in junit.iter("failure")] == ["no end within 12 "]


@pytest.mark.parametrize(
    ("lines", "code"), [("import os; os._exit(5)", 5), ("import os; os.kill(os.getpid(), 9)", 1)]
)
def test_a_run_that_ends_without_a_report_is_a_failure(tmp_path, lines, code):
    """A crash of the interpreter is no green file: JUnit says what happened."""
    found, _, end, junit = limited(tmp_path, [sys.executable, "-c", lines])

    assert (found, end["exit_code"]) == (code, code)
    assert "wrote no junit.xml" in next(junit.iter("failure")).get("message", "")


def test_a_run_that_says_0_without_a_report_fails_too(tmp_path):
    """Exit code 0 without a report is not trusted."""
    code, *_ = limited(tmp_path, ["true"])

    assert code == 1


def test_a_run_that_skips_every_test_fails(tmp_path):
    """Nothing was tested: pytest's exit code 0 says nothing about the image."""
    (tmp_path / "test_a.py").write_text("import pytest\ndef test_a(): pytest.skip('not today')")

    code, _, _, junit = limited(tmp_path, PYTEST)

    assert code == 1
    assert "nothing was tested" in next(junit.iter("failure")).get("message", "")
