"""One line that shows a failure again on another machine. Pure: no SDK, no clock, no process."""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from pipeline.commits import Commit
from pipeline.errors import PipelineError

_SCP: Final = re.compile(r"(?:[^@/]+@)?([^:/]+):(?!//)(.+)")
_SECRET: Final = re.compile(r"(env|file|cmd|op|vault|libsecret|gcp|aws\+sm|aws\+ps)://")
REPORT: Final = "report"
"""Folder in which a line looks for the report it stands in, as the workflows save it: `-o report`."""
_NAMES_OF_SECRETS: Final = ("password", "token", "auth", "secret", "key")
_ASKED: Final = re.compile(r"<[^<>]+>")
MODULE: Final = "<the module: ADDRESS@COMMIT or its folder>"
SERVICE: Final = "<the service: its folder or address>"
"""Values that no function of a module learns. `wheelhouse reproduce` takes them as flags of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a line is run: which module, and what its main object is given."""

    module: str = ""
    """`HOST/PATH@COMMIT` or its URL; MODULE where nobody said it; "" for the module of the working folder."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Flags before the function, without dashes; secrets as `env://NAME`, never their text.

    A value that is not known is `<what it is>`: a line never leaves out a flag that changes its outcome.
    """

    def __post_init__(self) -> None:
        """Refuse a module that is not named by address and commit, before anything is run for it."""
        if self.module:
            _named(self.module)


def reproduction(place: Place, function: str, arguments: Mapping[str, str]) -> tuple[str, str]:
    """Return the line for a Dagger engine and its twin for the embedded one.

    Args:
        place: the module and the flags of its main object.
        function: as on the command line.
        arguments: flag without dashes -> value; what is empty is left out.

    Raises:
        PipelineError: a flag that is named like a secret holds more than a reference to one, or the
            module is not named by address and commit.

    """
    words = ["call", *(["-m", _named(place.module)] if place.module else [])]
    words += [*_flags(place.settings), function, *_flags(arguments)]
    return shlex.join(["dagger", *words]), shlex.join(["wheelhouse", *words])


def module_at(module: str) -> str:
    """Return how `dagger -m` names a module at a commit.

    Raises:
        PipelineError: no address, or no commit of 40 hexadecimal digits.

    """
    address, found, commit = module.rpartition("@")
    if not found:
        raise PipelineError.of(
            f"module {module!r}",
            expected="ADDRESS@COMMIT",
            do="Add the commit: a line without one shows something else tomorrow.",
        )
    return f"{module_address(address)}@{Commit.parse(commit).sha}"


def module_address(repository: str) -> str:
    """Return how `dagger -m` names a git repository: `host/path` without scheme, user and ".git"."""
    address = repository.partition("://")[2] or repository
    if "://" not in repository and (scp := _SCP.fullmatch(repository)):
        address = f"{scp.group(1)}/{scp.group(2)}"
    host, slash, path = address.rstrip("/").removesuffix(".git").partition("/")
    if not (slash and path):
        raise PipelineError.of(
            f"repository {repository!r}",
            expected="HOST/PATH or its URL",
            do="Pass the output of `git remote get-url`.",
        )
    # A URL may carry a user and a token before the host.
    return f"{host.rpartition('@')[2]}/{path}"


def _named(module: str) -> str:
    return module if module == MODULE else module_at(module)


def _flags(values: Mapping[str, str]) -> list[str]:
    for flag, value in values.items():
        safe = not value or _SECRET.match(value) or _ASKED.fullmatch(value)
        if any(word in flag for word in _NAMES_OF_SECRETS) and not safe:
            raise PipelineError.of(
                f"--{flag} with a literal value",
                expected="a reference, e.g. env://NAME",
                do="Pass secrets by reference: a line that is printed must not hold them.",
            )
    return [f"--{flag}={value}" for flag, value in values.items() if value]
