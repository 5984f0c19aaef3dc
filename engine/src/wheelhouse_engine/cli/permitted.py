"""Lines that may be run although somebody else wrote them."""

import re
import shlex
from collections.abc import Sequence
from typing import Final

from wheelhouse_engine.cli.command_line import CALL_OPTIONS, IGNORED_OPTIONS, SHARED_OPTIONS
from wheelhouse_engine.cli.failures import CommandError
from wheelhouse_engine.cli.remote import REMOTE, Remote

PROGRAMS: Final = ("dagger", "wheelhouse")
FLAG: Final = re.compile(r"--([a-z][\w-]*)=(.*)", re.DOTALL)
FUNCTION: Final = re.compile(r"[a-z][\w-]*")
OWN_OPTIONS: Final = {one.name for one in (*CALL_OPTIONS, *SHARED_OPTIONS, *IGNORED_OPTIONS)}
"""Flags of the command itself: they write files, open terminals or load other modules."""
COMMAND_SECRET: Final = re.compile(r"\bcmd:", re.IGNORECASE)
SHAPE: Final = "`dagger call [-m ADDRESS@COMMIT] [--FLAG=VALUE …] FUNCTION [--FLAG=VALUE …]`"


def arguments_of(line: str) -> list[str]:
    """Return the words after the program's name.

    Raises:
        CommandError: the line is not a call of one function, names a module by something other than its
            address and commit, or has a flag that acts on this machine.

    """
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise CommandError(f"{line!r} is not a command line: {error}.") from error
    if len(words) < 3 or words[0] not in PROGRAMS or words[1] != "call":  # noqa: PLR2004 - and a function
        raise CommandError(f"{line!r} is neither a report's folder nor a line; expected {SHAPE}.")
    rest = words[2:]
    if rest[0] == "-m":
        _check_module(rest[1], line)
        rest = rest[2:]
    _check_call(rest, line)
    return words[1:]


def _check_module(address: str, line: str) -> None:
    """Refuse a module that can be anything else tomorrow, or that is in the report itself.

    `<…>` stands for one that whoever runs the line names.
    """
    if address.startswith("<"):
        return
    if not REMOTE.match(address) or not Remote.parse(address).is_commit:
        raise CommandError(
            f"{line}: the module {address!r} is not run; expected ADDRESS@COMMIT of a git repository, or no "
            "-m for the module of this folder."
        )


def _check_call(words: Sequence[str], line: str) -> None:
    functions = [word for word in words if not word.startswith("-")]
    if len(functions) != 1 or not FUNCTION.fullmatch(functions[0]):
        raise CommandError(f"{line}: found {len(functions)} functions; expected {SHAPE}.")
    for word in words:
        flag = FLAG.fullmatch(word)
        if word != functions[0] and (flag is None or flag[1] in OWN_OPTIONS):
            raise CommandError(f"{line}: {word!r} is not run; expected {SHAPE}.")
        if COMMAND_SECRET.search(word):
            raise CommandError(f"{line}: {word!r} is not run: it is a command of this machine.")
