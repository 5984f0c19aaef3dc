"""Errors become words and an exit code."""

import io

import pytest

from wheelhouse_engine.cli.failures import CommandError, FunctionError, UsageError, report
from wheelhouse_engine.errors import EngineError, ExecError


def told(error: BaseException, **options: object) -> tuple[int, str]:
    """Report an error; give the exit code and the words."""
    out = io.StringIO()
    return report(error, out, **options), out.getvalue()  # type: ignore[arg-type]


def caused(cause: Exception) -> FunctionError:
    """Make the error of a function that raised `cause`."""
    error = FunctionError(str(cause))
    error.__cause__ = cause
    return error


@pytest.mark.parametrize("code", [3, 42, 137])
def test_a_failed_process_gives_its_exit_code_and_output(code):
    """An exec that fails ends the command with its own exit code and shows both outputs."""
    exit_code, words = told(ExecError(["sh"], code, "some out", "some err"))

    assert exit_code == code
    assert words == f"Error: exit code: {code}\nStdout:\nsome out\nStderr:\nsome err\n"


def test_a_failed_process_without_output_is_one_line():
    """Empty outputs have no block."""
    assert told(ExecError(["false"], 1, "", "")) == (1, "Error: exit code: 1\n")


def test_a_failed_process_alone_in_a_group_counts():
    """A task group with one failed exec is that exec."""
    group = ExceptionGroup("g", [ExceptionGroup("h", [ExecError(["x"], 9, "", "e")])])

    assert told(group) == (9, "Error: exit code: 9\nStderr:\ne\n")


def test_several_failures_are_all_listed():
    """A group lists every error, and exits with 1."""
    group = ExceptionGroup("g", [EngineError("one"), ExecError(["x"], 9, "", "")])

    assert told(group) == (1, "Error: one\nexit code: 9\n")


def test_a_functions_own_error_is_named_so():
    """What module code raises is a FunctionError; an error without words shows its type."""
    assert told(caused(ValueError("my value is wrong"))) == (1, "Error: FunctionError: my value is wrong\n")
    assert told(caused(KeyError())) == (1, "Error: FunctionError: KeyError\n")


def test_a_wrapped_process_ends_with_1_and_shows_its_output():
    """A function's own error around a failed exec is exit code 1, as with Dagger, and nothing is hidden."""
    exit_code, words = told(caused(ExceptionGroup("g", [ExecError(["x"], 9, "", "why")])))

    assert (exit_code, words) == (1, "Error: FunctionError: exit code: 9\nStderr:\nwhy\n")


def test_a_usage_error_names_the_near_miss_and_the_help():
    """The first line is Dagger's, then the suggestion, then where help is."""
    _, words = told(UsageError("unknown flag: --nope", "wheelhouse call f", "--name"))

    assert words == (
        "Error: unknown flag: --nope\ndid you mean --name?\nRun 'wheelhouse call f --help' for usage.\n"
    )


def test_there_is_a_traceback_for_debug_only():
    """A user sees words; `--debug` shows where."""
    assert "Traceback" not in told(caused(ValueError("x")))[1]
    assert "ValueError: x" in told(caused(ValueError("x")), debug=True)[1]


def test_secrets_are_scrubbed_from_every_line():
    """What is printed goes through the session's scrubber."""
    _, words = told(CommandError("token s3cret"), scrub=lambda text: text.replace("s3cret", "***"))

    assert words == "Error: token ***\n"
