"""The line that shows a failure again: complete, quoted, and without secrets."""

import shlex

import pytest

from pipeline.check.reproduce import MODULE, SERVICE, Place, module_address, reproduction
from pipeline.errors import PipelineError

COMMIT = "0123456789abcdef0123456789abcdef01234567"
HERE = Place()
_UNTOLD = "<the hf token of that call>"


def test_both_lines_name_commit_function_and_arguments():
    """The two lines differ in the program alone, and leave out what is empty."""
    place = Place(module=f"https://github.com/me/app.git@{COMMIT}")
    ours, twin = reproduction(place, "test", {"variant": "cpu", "base": ""})
    assert ours == f"dagger call -m github.com/me/app@{COMMIT} test --variant=cpu"
    assert twin == ours.replace("dagger", "wheelhouse", 1)


def test_settings_stand_before_the_function():
    """What the main object is given comes first, as the command line wants it."""
    place = Place(settings={"source": "../mine", "index-url": ""})
    assert (
        reproduction(place, "test", {"variant": "cpu"})[0]
        == "dagger call --source=../mine test --variant=cpu"
    )


@pytest.mark.parametrize("module", ["github.com/me/app", "github.com/me/app@main", f"app@{COMMIT}"])
def test_a_module_without_address_and_commit_is_refused(module):
    """A branch or nothing at all would show something else tomorrow."""
    with pytest.raises(PipelineError):
        reproduction(Place(module=module), "test", {})


@pytest.mark.parametrize("value", ["a b", "$(reboot)", "it's", "`id`", 'say "x"', "a;b"])
def test_values_survive_the_shell(value):
    """A pasted line hands over the same arguments, whatever they hold."""
    line = reproduction(HERE, "build", {"python-image": value})[0]
    assert shlex.split(line)[-1] == f"--python-image={value}"


@pytest.mark.parametrize("flag", ["password", "hf-token", "index-auth"])
def test_a_secret_is_never_printed(flag):
    """A literal secret is refused without being repeated; a reference to one is printed."""
    with pytest.raises(PipelineError) as refused:
        reproduction(HERE, "f", {flag: "canary-1"})
    assert "canary" not in str(refused.value)
    assert reproduction(HERE, "f", {flag: "env://T"})[0].endswith(f"--{flag}=env://T")


def test_what_nobody_said_stands_in_the_line():
    """A flag whose value is not known is shown as what it is, never left out; also that of a secret."""
    place = Place(module=MODULE, settings={"source": SERVICE, "hf-token": _UNTOLD})
    words = shlex.split(reproduction(place, "test", {})[0])

    assert words == ["dagger", "call", "-m", MODULE, f"--source={SERVICE}", f"--hf-token={_UNTOLD}", "test"]


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
