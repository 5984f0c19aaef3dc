"""Decide which engine answers: a real Dagger where there is one, else the embedded one."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from typing import Final, TextIO

from wheelhouse_engine.cli.failures import CommandError, UsageError
from wheelhouse_engine.cli.names import near_miss

ENGINES: Final = ("dagger", "embedded")
CONTAINER_TOOLS: Final = ("docker", "podman", "nerdctl", "finch", "container")
"""What a `dagger` program can start its engine with. Source: Dagger's documentation, v0.21."""
ANSWER_TIMEOUT_S: Final = 5


def choose_engine(wanted: str | None, environ: Mapping[str, str]) -> str:
    """Give `dagger` or `embedded`; the flag wins over WHEELHOUSE_ENGINE, which wins over looking around.

    Raises:
        UsageError: another engine is named.
        CommandError: `dagger` is named and does not answer.

    """
    name = wanted or environ.get("WHEELHOUSE_ENGINE") or ""
    if name and name not in ENGINES:
        meant = near_miss(name, ENGINES)
        raise UsageError(f"engine is {name!r}, expected one of {','.join(ENGINES)}", "wheelhouse", meant)
    if name == "embedded":
        return name
    found = dagger_answers(environ)
    if name == "dagger" and not found:
        raise CommandError(
            "no `dagger` program answers on PATH. Install it (https://docs.dagger.io/install) "
            "or pass --engine=embedded."
        )
    return "dagger" if found else "embedded"


def dagger_answers(environ: Mapping[str, str]) -> bool:
    """Say whether `dagger` is on PATH, starts, and has something to run its engine with."""
    path = environ.get("PATH")
    if not (program := shutil.which("dagger", path=path)):
        return False
    named = "_EXPERIMENTAL_DAGGER_RUNNER_HOST" in environ or "DAGGER_CLOUD_TOKEN" in environ
    if not named and not any(shutil.which(tool, path=path) for tool in CONTAINER_TOOLS):
        return False
    try:
        asked = subprocess.run(
            [program, "version"], capture_output=True, timeout=ANSWER_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return asked.returncode == 0


def become_dagger(arguments: Sequence[str], environ: Mapping[str, str], stderr: TextIO) -> None:
    """Replace this process by `dagger` with the same arguments; does not return."""
    program = shutil.which("dagger", path=environ.get("PATH")) or "dagger"
    stderr.write(f"engine: dagger ({program})\n")
    stderr.flush()
    os.execve(program, ["dagger", *arguments], dict(environ))  # noqa: S606 - the user's own program


def without_engine(arguments: Sequence[str]) -> list[str]:
    """Drop our own `--engine`, which `dagger` does not know; words behind `--` stay."""
    kept: list[str] = []
    words = iter(arguments)
    for word in words:
        if word == "--":
            return [*kept, word, *words]
        if word == "--engine":
            next(words, None)
        elif not word.startswith("--engine="):
            kept.append(word)
    return kept
