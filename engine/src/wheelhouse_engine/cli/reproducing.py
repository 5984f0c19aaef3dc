"""Run the line of a failure again and say whether the same failure came."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final, TextIO

from wheelhouse_engine.cli.changes import Consent
from wheelhouse_engine.cli.failures import CommandError
from wheelhouse_engine.cli.permitted import arguments_of

VERSION: Final = 1
"""Of report.json."""
SIGN: Final = 80
"""Characters of a message by which a failure without a test's name is known again."""
REPORT: Final = "report"
"""Folder in which a printed line looks for files of its report."""
UNKNOWN: Final = re.compile(r"<(.*)>")
"""A value that the report does not have."""
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


def reproduce(
    words: Sequence[str], shared: Sequence[str], consent: Consent, out: TextIO | None = None
) -> int:
    """Run every line of a report, or the one line given; return 0 when the same failures came.

    A report may be a stranger's: each line is checked and shown before anything runs.

    Args:
        words: one folder of a report, or the words of a line (also as one text); before them, `-m` and
            flags for what the report does not know.
        shared: flags of `wheelhouse` itself, e.g. `--engine=embedded`.
        consent: whether the user agrees to run the lines that are shown.
        out: where the verdicts go; None: stdout.

    Raises:
        CommandError: neither a report nor a line that may be run; a report of another version, or
            without failures; no terminal to ask on and no `--yes`.

    """
    to = out or sys.stdout
    given, words = _given(words)
    if len(words) == 1 and Path(words[0]).is_dir():
        expected = failures_of(Path(words[0]))
        report = Path(words[0]).resolve()
    else:
        text = words[0] if len(words) == 1 else shlex.join(words)
        expected, report = {text: []}, Path(REPORT).resolve()
    lines = {located(line, report, given): failures for line, failures in expected.items()}
    if not _agreed(list(lines), consent, to):
        to.write("Nothing was run.\n")
        return 1
    found = [_again(line, failures, shared, to) for line, failures in lines.items()]
    return 0 if all(found) else 1


def _agreed(lines: Sequence[str], consent: Consent, to: TextIO) -> bool:
    """Show the lines and return whether they are to be run."""
    if consent.given:
        return True
    to.write("".join(f"  {printable(line)}\n" for line in lines))
    to.flush()
    if consent.ask is None:
        raise CommandError("nothing was run: no terminal to ask on. Run the same command with --yes.")
    return consent.ask(f"Run {'this line' if len(lines) == 1 else f'these {len(lines)} lines'}? [y/N] ")


def printable(line: str) -> str:
    """Return a line as a terminal shows it whole: control characters could hide a part."""
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in line)


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


def located(line: str, report: Path, given: Mapping[str, str] = MappingProxyType({})) -> str:
    """Return a line whose files of the report are those in this folder.

    Args:
        line: as a report has it.
        report: folder of the report.
        given: flag -> value, for values that the report does not have.

    Raises:
        CommandError: not a line that may be run, or one with a value that the report does not have and
            that was not given either.

    """
    arguments = arguments_of(line)
    words, flag = shlex.split(line)[:1], ""
    for word in arguments:
        name, equals, value = word.partition("=") if word.startswith("--") else (flag, "", word)
        if missing := UNKNOWN.fullmatch(value):
            if name not in given:
                raise CommandError(
                    f"{line}: the report does not have {missing[1]}. "
                    f"Pass it: wheelhouse reproduce {name}{equals or ' '}… {report}"
                )
            value = given[name]
        file = report / value.removeprefix(f"{REPORT}/")
        if equals and value.startswith(f"{REPORT}/") and file.is_file():
            value = str(file)
        words.append(f"{name}{equals}{value}" if equals else value)
        flag = word
    return shlex.join(words)


def _given(words: Sequence[str]) -> tuple[dict[str, str], Sequence[str]]:
    """Return the flags before the report, by name, and what follows them."""
    given: dict[str, str] = {}
    rest = list(words)
    while rest and rest[0].startswith("-"):
        name, equals, value = rest.pop(0).partition("=")
        given[name] = value if equals or not rest else rest.pop(0)
    if not rest:
        raise CommandError("no report. Pass the folder that `ci directory -o` wrote, or a printed line.")
    return given, rest


def _again(line: str, failures: list[Failure], shared: Sequence[str], to: TextIO) -> bool:
    """Run a line; return whether everything that failed before failed again."""
    to.write(f"$ {printable(line)}\n")
    to.flush()
    code, output = _run([*shared, *shlex.split(line)[1:]])  # located() checked it
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
    root = str(Path(__file__).parents[2])
    environ = os.environ | {"PYTHONPATH": root, "PYTHONSAFEPATH": "1"}
    said: list[str] = []
    command = [sys.executable, "-m", "wheelhouse_engine", *words]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environ
    ) as process:
        for text in process.stdout or ():
            said.append(text)
            sys.stderr.write(text)
    return process.returncode, "".join(said)
