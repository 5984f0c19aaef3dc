"""The line that shows a failure again: complete, quoted, and without secrets."""

import shlex

import pytest

from pipeline.errors import PipelineError
from pipeline.reproduce import Failure, module_address, reproduction
from pipeline.tags import Commit

COMMIT = Commit("0123456789abcdef0123456789abcdef01234567")


def test_both_lines_name_commit_function_and_arguments():
    """The two lines differ in the program alone."""
    failure = Failure(
        repository="https://github.com/me/app.git",
        commit=COMMIT,
        function="test",
        arguments={"variant": "cpu"},
    )
    ours, twin = reproduction(failure)
    assert ours == f"dagger call -m github.com/me/app@{COMMIT.sha} test --variant=cpu"
    assert twin == ours.replace("dagger", "wheelhouse", 1)


@pytest.mark.parametrize("value", ["a b", "$(reboot)", "it's", "`id`", 'say "x"', "a;b", ""])
def test_values_survive_the_shell(value):
    """A pasted line hands over the same arguments, whatever they hold."""
    failure = Failure(
        repository="github.com/me/app", commit=COMMIT, function="build", arguments={"python-image": value}
    )
    assert shlex.split(reproduction(failure)[0])[-1] == f"--python-image={value}"


@pytest.mark.parametrize("flag", ["password", "hf-token", "index-auth"])
def test_a_secret_is_never_printed(flag):
    """A literal secret is refused without being repeated; a reference to one is printed."""
    literal = Failure(
        repository="github.com/me/app", commit=COMMIT, function="f", arguments={flag: "canary-1"}
    )
    with pytest.raises(PipelineError) as refused:
        reproduction(literal)
    assert "canary" not in str(refused.value)
    named = Failure(repository="github.com/me/app", commit=COMMIT, function="f", arguments={flag: "env://T"})
    assert reproduction(named)[0].endswith(f"--{flag}=env://T")


@pytest.mark.parametrize(
    "repository",
    [
        "https://github.com/me/app.git",
        "https://user:canary@github.com/me/app",
        "git@github.com:me/app.git",
        "ssh://git@github.com/me/app/",
        "github.com/me/app",
    ],
)
def test_an_address_loses_scheme_and_user(repository):
    """However git names a repository, the module's address is host and path, without credentials."""
    assert module_address(repository) == "github.com/me/app"


@pytest.mark.parametrize("repository", ["", "app", "https://github.com"])
def test_what_is_no_repository_is_refused(repository):
    """A word without a path names no repository."""
    with pytest.raises(PipelineError, match="expected HOST/PATH"):
        module_address(repository)
