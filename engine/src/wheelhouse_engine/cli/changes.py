"""Show a returned changeset and apply it when the user agrees."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

from wheelhouse_engine.cli.failures import CommandError
from wheelhouse_engine.cli.queries import CoreRef, Querier, Selection, ask
from wheelhouse_engine.errors import UnsupportedError

_SHOWN: Final = (("addedPaths", "+"), ("modifiedPaths", "~"), ("removedPaths", "-"))


@dataclass(frozen=True, slots=True)
class Consent:
    """Say how the user agrees to a change of files."""

    given: bool
    """`-y` was passed."""
    ask: Callable[[str], bool] | None
    """Asks on the terminal; None where there is none."""


async def apply_changes(
    session: Querier, changes: CoreRef | list[CoreRef], folder: Path, consent: Consent, out: TextIO
) -> None:
    """Print what would change in `folder`, then apply it with the user's consent.

    Raises:
        CommandError: there is no terminal to ask on and no `-y`.

    """
    every = changes if isinstance(changes, list) else [changes]
    summaries = [await summary(session, one) for one in every]
    text = "".join(summaries)
    if not text:
        out.write("No changes to apply.\n")
        return
    out.write(text)
    if not consent.given:
        if consent.ask is None:
            raise CommandError(
                f"changes not applied to {folder}: no terminal to ask on. "
                "Run the same command with -y to apply."
            )
        if not consent.ask(f"Apply these changes to {folder}? [y/N] "):
            out.write("Nothing was changed.\n")
            return
    for one in every:
        await ask(session, one, [Selection("export", {"path": str(folder)})])
    out.write(f"Applied to {folder}.\n")


async def summary(session: Querier, changes: CoreRef) -> str:
    """List the paths and, where the engine can make it, the patch of a changeset; "" when it is empty."""
    if await ask(session, changes, [Selection("isEmpty", {})]):
        return ""
    lines = []
    for field, mark in _SHOWN:
        lines += [f"{mark} {path}" for path in await ask(session, changes, [Selection(field, {})])]
    with contextlib.suppress(UnsupportedError):  # the paths alone then have to do
        patch = await ask(session, changes, [Selection("asPatch", {}), Selection("contents", {})])
        lines += ["", *patch.splitlines()]
    return "\n".join(lines) + "\n"


def ask_on(terminal: TextIO, out: TextIO) -> Callable[[str], bool] | None:
    """Give a question to put to a person; None when no person is there."""
    if not terminal.isatty():
        return None

    def question(text: str) -> bool:
        out.write(text)
        out.flush()
        return terminal.readline().strip().casefold() in ("y", "yes")

    return question
