"""A real Dagger answers where there is one, else the embedded engine."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from wheelhouse_engine.cli.engines import choose_engine, without_engine
from wheelhouse_engine.cli.failures import CommandError, UsageError


def program(folder: Path, name: str, text: str = "exit 0") -> None:
    """Put a shell program into a folder."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.fixture
def path_of(tmp_path: Path) -> dict[str, str]:
    """Give an environment whose PATH is one empty folder."""
    return {"PATH": str(tmp_path)}


def test_the_flag_and_the_variable_decide(path_of):
    """The flag wins over the variable."""
    assert choose_engine(None, {**path_of, "WHEELHOUSE_ENGINE": "embedded"}) == "embedded"
    assert choose_engine("embedded", {**path_of, "WHEELHOUSE_ENGINE": "dagger"}) == "embedded"


def test_without_dagger_the_embedded_engine_runs(path_of):
    """Nothing on PATH means embedded."""
    assert choose_engine(None, path_of) == "embedded"


def test_a_dagger_that_answers_is_used(path_of, tmp_path):
    """`dagger` with something to run its engine wins."""
    program(tmp_path, "dagger")
    program(tmp_path, "docker")

    assert choose_engine(None, path_of) == "dagger"


@pytest.mark.parametrize("text", ["exit 1", "sleep 60"])
def test_a_dagger_that_does_not_answer_is_not(path_of, tmp_path, text, monkeypatch):
    """A `dagger` that fails or hangs is passed over, and named it is an error."""
    monkeypatch.setattr("wheelhouse_engine.cli.engines.ANSWER_TIMEOUT_S", 0.2)
    program(tmp_path, "dagger", text)
    program(tmp_path, "docker")

    assert choose_engine(None, path_of) == "embedded"
    with pytest.raises(CommandError, match="no `dagger` program answers"):
        choose_engine("dagger", path_of)


def test_dagger_alone_cannot_start_an_engine(path_of, tmp_path):
    """Without a container tool `dagger` has no engine; with a runner host it has one."""
    program(tmp_path, "dagger")

    assert choose_engine(None, path_of) == "embedded"
    assert choose_engine(None, {**path_of, "_EXPERIMENTAL_DAGGER_RUNNER_HOST": "tcp://x"}) == "dagger"


def test_an_unknown_engine_lists_the_choices(path_of):
    """A misspelt engine is refused with the near miss."""
    with pytest.raises(UsageError, match="expected one of dagger,embedded") as refused:
        choose_engine("embeded", path_of)

    assert refused.value.meant == "embedded"


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        (["--engine=dagger", "call", "f"], ["call", "f"]),
        (["--engine", "dagger", "call", "f"], ["call", "f"]),
        (["call", "f", "--", "--engine=x"], ["call", "f", "--", "--engine=x"]),
    ],
)
def test_our_own_flag_is_not_handed_over(words, kept):
    """`dagger` gets the same words without `--engine`."""
    assert kept == without_engine(words)


def test_the_command_line_is_handed_over(tmp_path):
    """The program becomes `dagger` with the same arguments, and says so on stderr."""
    program(tmp_path, "dagger", '[ "$1" = version ] && exit 0; echo "dagger got: $*"; exit 5')
    program(tmp_path, "docker")
    environ = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    command = [sys.executable, "-m", "wheelhouse_engine", "--engine=dagger", "-v", "call", "build", "--json"]

    ran = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)

    assert (ran.returncode, ran.stdout) == (5, "dagger got: -v call build --json\n")
    assert ran.stderr == f"engine: dagger ({tmp_path}/dagger)\n"
