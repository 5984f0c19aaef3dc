"""The program as a user starts it: verbs, exit codes, what stands on stdout."""

import json
import resource
import shutil
import signal
import subprocess
import sys
from importlib.metadata import version as distribution_version

import pytest

from wheelhouse_engine.cli.app import main

from .conftest import MODULES, PROGRAM

pytestmark = pytest.mark.integration


def test_a_result_is_all_that_stands_on_stdout(process):
    """What module code prints, and which engine runs, goes to stderr."""
    ran = process("call", "shout")

    assert (ran.returncode, ran.stdout) == (0, "quiet")
    assert "a note of the module" in ran.stderr
    assert "engine: embedded" in ran.stderr


def test_silence_is_kept(wheelhouse):
    """With -s a call that goes well leaves stderr empty."""
    ran = wheelhouse("-s", "call", "greet")

    assert (ran.stdout, ran.stderr) == ("hello world", "")


def test_module_code_does_not_see_the_callers_variables(process):
    """A variable of the caller is not in the module's environment."""
    assert process("-s", "call", "sees", "--name=TOKEN").stdout == "false"
    assert process("-s", "call", "sees", "--name=PATH").stdout == "true"


def test_the_default_directory_is_read_without_what_it_ignores(process):
    """DefaultPath and Ignore hold through the real engine."""
    assert process("-s", "call", "north").stdout == "north.txt\n"


def test_a_directory_argument_is_relative_to_the_working_folder(process, project):
    """A relative path starts where the user stands."""
    assert process("-s", "call", "entries", "--dir=../beds", cwd=project / "garden").stdout == (
        "debug.log\nnorth.txt\n"
    )


@pytest.mark.parametrize(
    ("words", "code", "first_line"),
    [
        (("call", "wither"), 1, "Error: FunctionError: my value is wrong"),
        (("call", "greet", "--nope"), 1, "Error: unknown flag: --nope"),
        (("call", "nope"), 1, 'Error: unknown command "nope" for "wheelhouse call"'),
        (("call", "entries", "--dir=/no/such"), 1, 'Error: failed to get value for argument "dir"'),
        (("nope",), 1, 'Error: unknown command "nope" for "wheelhouse"'),
        (("--nope",), 1, "Error: No such option"),
        (("functions", "nope"), 1, 'Error: unknown command "nope" for "wheelhouse functions"'),
        (("check", "nope"), 1, "Error: no check matches 'nope'"),
        (("run", "no-such-program-anywhere"), 1, "Error: no-such-program-anywhere cannot be run"),
        (("prune", "--keep-storage=much"), 1, 'Error: invalid argument "much"'),
        (("--progress=loud", "call", "greet"), 1, 'Error: invalid argument "loud" for "--progress"'),
        (("session", "--workdir=/no/such"), 1, "Error: --workdir /no/such is not a folder"),
    ],
)
def test_a_mistake_is_words_and_exit_code_1(wheelhouse, words, code, first_line):
    """No mistake of the user shows a traceback."""
    ran = wheelhouse(*words)

    assert (ran.returncode, ran.stdout) == (code, "")
    assert first_line in ran.stderr
    assert "Traceback" not in ran.stderr


def test_debug_shows_the_traceback(wheelhouse):
    """`--debug`, before or behind the verb, shows where it happened."""
    assert "ValueError: my value is wrong" in wheelhouse("--debug", "call", "wither").stderr
    assert "Traceback" in wheelhouse("call", "--debug", "wither").stderr


def test_a_call_without_a_function_prints_query(wheelhouse):
    """The main object itself is called Query."""
    assert wheelhouse("call").stdout == "Query\n"


def test_output_saves_a_result_and_prints_it(wheelhouse, tmp_path):
    """`-o` writes a scalar to a file and says where."""
    ran = wheelhouse("-s", "call", "greet", "-o", str(tmp_path / "deep" / "x.txt"))

    assert (ran.stdout, (tmp_path / "deep" / "x.txt").read_text()) == ("hello world", "hello world")
    assert ran.stderr == f'Saved output to "{tmp_path}/deep/x.txt".\n'


def test_an_env_file_sets_defaults(wheelhouse, project, tmp_path):
    """A .env beside dagger.json is the user's own default."""
    shutil.copytree(project, tmp_path / "garden")
    (tmp_path / "garden" / ".env").write_text("GREETING=servus\n")

    assert wheelhouse("-s", "call", "greet", cwd=tmp_path / "garden").stdout == "servus world"


def test_an_async_create_is_the_constructor(wheelhouse):
    """A classmethod `create` makes the main object, awaited when it has to be."""
    ran = wheelhouse("-s", "call", "--word=hi", "word-back", cwd=MODULES / "plain")

    assert (ran.stdout, ran.returncode) == ("hi", 0)


def test_checks_run_and_one_failure_is_exit_code_1(wheelhouse):
    """The table says how each ended, stderr why."""
    ran = wheelhouse("-s", "check")

    assert ran.returncode == 1
    assert [line.split()[:2] for line in ran.stdout.splitlines()[1:]] == [
        ["garden:rules:dry", "failed"],
        ["garden:weeded", "passed"],
    ]
    assert "FunctionError: the soil is dry" in ran.stderr
    assert "1 of 2 checks failed" in ran.stderr


def test_checks_that_pass_are_exit_code_0(wheelhouse):
    """A pattern chooses, and only what it chose counts."""
    assert wheelhouse("-s", "check", "weeded").returncode == 0


def test_checks_are_listed_without_running(wheelhouse):
    """`-l` prints names and descriptions."""
    ran = wheelhouse("check", "-l")

    assert ran.stdout.splitlines()[1] == "garden:rules:dry   Nothing is watered."
    assert ran.returncode == 0


@pytest.mark.parametrize("code", [0, 7])
def test_run_passes_the_exit_code_on(wheelhouse, code):
    """A program gets a session in its environment, and its exit code is ours."""
    text = f"import os, sys; print(int(os.environ['DAGGER_SESSION_PORT']) > 0, end=''); sys.exit({code})"
    ran = wheelhouse("-s", "run", sys.executable, "-c", text)

    assert (ran.returncode, ran.stdout) == (code, "True")


def test_run_keeps_the_callers_variables(process):
    """The program is the user's own: it sees what the user set."""
    assert process("-s", "run", "sh", "-c", "echo $TOKEN").stdout == "t0ken\n"


def test_run_forwards_signals(project, environ):
    """A signal reaches the program, whose answer to it decides the exit code."""
    script = "trap 'exit 9' TERM; echo ready; while :; do sleep 0.05; done"
    running = subprocess.Popen(
        [*PROGRAM, "-s", "run", "sh", "-c", script],
        cwd=project,
        env=environ,
        stdout=subprocess.PIPE,
        text=True,
    )
    with running:
        assert running.stdout is not None
        assert running.stdout.readline() == "ready\n"
        running.send_signal(signal.SIGTERM)

        assert running.wait(timeout=300) == 9


def test_a_session_is_one_line_until_stdin_closes(project, environ):
    """The line has exactly the keys the client reads; closing stdin ends it with 0."""
    serving = subprocess.Popen(
        [*PROGRAM, "session", "--label", "a:b", "--label", "c:d", "--load-workspace-modules"],
        cwd=project, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with serving:
        assert serving.stdout is not None
        assert serving.stdin is not None
        line = json.loads(serving.stdout.readline())
        assert set(line) == {"port", "session_token"}
        assert serving.poll() is None
        serving.stdin.close()

        assert serving.stdout.read() == ""
        assert serving.wait(timeout=300) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_canceled_call_exits_with_2(project, environ, number):
    """Ctrl-C stops what runs and says so."""
    running = subprocess.Popen(
        [*PROGRAM, "-s", "call", "wait"], cwd=project, env=environ, stderr=subprocess.PIPE, text=True
    )
    with running:
        assert running.stderr is not None
        assert running.stderr.readline() == "waiting\n"
        running.send_signal(number)

        assert running.stderr.read() == "Canceled.\n"
        assert running.wait(timeout=300) == 2


def test_version_and_help_do_not_load_the_client():
    """Verbs that need no module start at once."""
    for words in (["--help"], ["plan", "--help"], ["version"], ["doctor"]):
        text = (
            "import sys\nfrom wheelhouse_engine.cli.app import main\n"
            f"main({words!r})\nassert 'dagger' not in sys.modules, 'loaded'\n"
            "assert 'graphql' not in sys.modules, 'loaded'\n"
        )
        ran = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False)

        assert (ran.returncode, ran.stderr) == (0, ""), words


@pytest.mark.parametrize("words", [[], ["--help"]])
def test_the_program_alone_teaches(words, capsys):
    """Without words it prints its verbs, examples and exit codes as `--help` does, and succeeds."""
    assert main(words) == 0

    said = capsys.readouterr()
    assert "wheelhouse call build --help" in said.out
    assert "Exit codes: 0 done, 1 failed, 2 canceled" in said.out
    assert said.err == ""


@pytest.mark.parametrize("word", ["version", "--version"])
def test_the_version_is_that_of_the_engines_distribution(word, capsys):
    """Where only the engine is installed, no distribution is called wheelhouse."""
    assert main([word]) == 0
    assert capsys.readouterr().out == f"wheelhouse {distribution_version('wheelhouse-engine')}\n"


def test_an_unknown_verb_names_the_near_miss(capsys):
    """`cal` was meant to be `call`."""
    assert main(["cal"]) == 1
    assert "did you mean call?" in capsys.readouterr().err


def test_pruning_an_empty_store_frees_nothing(wheelhouse):
    """`prune` says how much it freed."""
    assert wheelhouse("prune", "--keep-storage=1TB").stdout == "freed 0 B\n"


def test_a_wrong_size_is_refused(wheelhouse):
    """A text that is no size says what one looks like."""
    refused = wheelhouse("prune", "--keep-storage=-1GB")

    assert refused.returncode == 1
    assert "expected one such as 10GB" in refused.stderr


def test_a_cached_listing_is_quick(process):
    """`functions` answers without an engine: in a few seconds of processor time, whatever else runs."""
    process("functions")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process("functions")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)

    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 10
