"""One line that shows a failure again on another machine. Pure: no SDK, no clock, no process."""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from pipeline.errors import PipelineError
from pipeline.tags import Commit

_SCP: Final = re.compile(r"(?:[^@/]+@)?([^:/]+):(?!//)(.+)")
_SECRET: Final = re.compile(r"(env|file|cmd|op|vault|libsecret|gcp|aws\+sm|aws\+ps)://")
_NAMES_OF_SECRETS: Final = ("password", "token", "auth", "secret", "key")


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A function that failed, and what it was called with."""

    repository: str
    """Address of the git repository: https, ssh or host/path."""
    commit: Commit
    function: str
    arguments: Mapping[str, str] = field(default_factory=dict)
    """Flag without dashes -> value, as on the command line; secrets as `env://NAME`, never their text."""


def reproduction(failure: Failure) -> tuple[str, str]:
    """Return the line for a Dagger engine and its twin for the embedded one.

    Raises:
        PipelineError: an argument that is named like a secret holds more than a reference to one.

    """
    for flag, value in failure.arguments.items():
        if any(word in flag for word in _NAMES_OF_SECRETS) and not _SECRET.match(value):
            raise PipelineError.of(
                f"--{flag} with a literal value",
                expected="a reference, e.g. env://NAME",
                do="Pass secrets by reference: a line that is printed must not hold them.",
            )
    flags = [f"--{flag}={value}" for flag, value in failure.arguments.items()]
    module = f"{module_address(failure.repository)}@{failure.commit.sha}"
    words = ["call", "-m", module, failure.function, *flags]
    return shlex.join(["dagger", *words]), shlex.join(["wheelhouse", *words])


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
