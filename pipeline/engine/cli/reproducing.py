"""Run the line of a failure again and say whether the same failure came."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

from pipeline.engine.cli.failures import CommandError

VERSION: Final = 1
"""Of report.json."""
PROGRAMS: Final = ("dagger", "wheelhouse")
SIGN: Final = 80
"""Characters of a message by which a failure without a test's name is known again."""
REPORT: Final = "report"
"""Folder in which a printed line looks for files of its report."""
UNKNOWN: Final = re.compile(r"--([\w-]+)=<(.*)>")
"""A flag whose value the report does not have."""
AGE: Final = re.compile(r"[\d.]+(?= days)")
"""What is different in the same failure of another day."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong, and how it is known again."""

    title: str
    sign: str
    """Text that the output of the same failure holds, but for ages."""

    def is_in(self, output: str) -> bool:
        """Return whether an output tells this failure."""
        return AGE.sub("0", self.sign) in AGE.sub("0", output)


def reproduce(words: Sequence[str], shared: Sequence[str], out: TextIO | None = None) -> int:
    """Run every line of a report, or the one line given; return 0 when the same failures came.

    Args:
        words: one folder of a report, or the words of a line (also as one text).
        shared: flags of `wheelhouse` itself, e.g. `--engine=embedded`.
        out: where the verdicts go; None: stdout.

    Raises:
        CommandError: neither a report nor a line; a report of another version, or without failures.

    """
    to = out or sys.stdout
    if len(words) == 1 and Path(words[0]).is_dir():
        expected = failures_of(Path(words[0]))
        report = Path(words[0]).resolve()
    else:
        text = words[0] if len(words) == 1 else shlex.join(words)
        expected, report = {text: []}, Path(REPORT).resolve()
    found = [_again(located(line, report), failures, shared, to) for line, failures in expected.items()]
    return 0 if all(found) else 1


def failures_of(folder: Path) -> dict[str, list[Failure]]:
    """Return the lines of a report with the failures that each shows.

    Raises:
        CommandError: no report.json, one of another version, or nothing failed.

    """
    path = folder / "report.json"
    try:
        report = json.loads(path.read_text())
        version, failed = report["version"], report["failures"] if report["version"] == VERSION else []
        lines: dict[str, list[Failure]] = {}
        for one in failed:
            lines.setdefault(one["wheelhouse"], []).append(_failure(one))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CommandError(f"{path} is no report: {error}. Pass what `ci directory -o` wrote.") from error
    if version != VERSION:
        raise CommandError(f"{path} is of version {version!r}, expected {VERSION}. Run `ci` anew.")
    if not lines:
        raise CommandError(f"{path} tells of no failure. There is nothing to reproduce.")
    return lines


def arguments_of(line: str) -> list[str]:
    """Return the words behind the program's name.

    Raises:
        CommandError: no `dagger call …` or `wheelhouse call …`.

    """
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise CommandError(f"{line!r} is no line: {error}.") from error
    if len(words) < 3 or words[0] not in PROGRAMS or words[1] != "call":  # noqa: PLR2004 - and a function
        raise CommandError(f"{line!r} is neither a report's folder nor a line; expected `dagger call …`.")
    return words[1:]


def located(line: str, report: Path) -> str:
    """Return a line whose files of the report are those in this folder.

    Raises:
        CommandError: no line, or one with a value that the report does not have.

    """
    arguments = arguments_of(line)
    words = shlex.split(line)[:1]
    for word in arguments:
        if lacking := UNKNOWN.fullmatch(word):
            raise CommandError(
                f"{line}: the report does not have {lacking[2]}. Run it with a --{lacking[1]} of your own."
            )
        flag, _, value = word.partition("=")
        file = report / value.removeprefix(f"{REPORT}/")
        ours = flag.startswith("--") and value.startswith(f"{REPORT}/") and file.is_file()
        words.append(f"{flag}={file}" if ours else word)
    return shlex.join(words)


def _again(line: str, failures: list[Failure], shared: Sequence[str], to: TextIO) -> bool:
    """Run a line; return whether everything that failed before failed again."""
    to.write(f"$ {line}\n")
    to.flush()
    code, output = _run([*shared, *arguments_of(line)])
    if code == 0:
        to.write("not reproduced: it passed\n")
        return False
    same = [one for one in failures if one.is_in(output)]
    for one in failures:
        told = "the same failure" if one in same else "not reproduced: it failed with something else"
        to.write(f"{told}: {one.title}\n")
    if not failures:
        to.write(f"it failed: exit code {code}\n")
    return same == failures


def _failure(one: dict[str, str]) -> Failure:
    """Return how a failure is known again: a test by its name, anything else by what it said first."""
    first = one["message"].strip().partition("\n")[0]
    sign = one["name"].rpartition("::")[2] if one["step"] in {"test", "verify"} else first[:SIGN]
    return Failure(title=f"{one['variant']} {one['step']}: {one['name']}: {first}", sign=sign)


def _run(words: Sequence[str]) -> tuple[int, str]:
    """Run this very program, show what it says on stderr, and return exit code and all it said."""
    root = str(Path(__file__).parents[3])
    environ = os.environ | {"PYTHONPATH": root, "PYTHONSAFEPATH": "1"}
    said: list[str] = []
    command = [sys.executable, "-m", "pipeline.engine", *words]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environ
    ) as process:
        for text in process.stdout or ():
            said.append(text)
            sys.stderr.write(text)
    return process.returncode, "".join(said)
