"""A changeset is shown first and applied with consent only."""

import io
from pathlib import Path

import pytest

from wheelhouse_engine.cli.changes import Consent, apply_changes, ask_on
from wheelhouse_engine.cli.failures import CommandError
from wheelhouse_engine.cli.queries import CoreRef
from wheelhouse_engine.errors import UnsupportedError

from .conftest import RecordingSession

CHANGES = CoreRef("Changeset", "c")
FOLDER = Path("/project")


def session(*, empty: bool = False) -> RecordingSession:
    """Answer for a changeset of three files."""
    return RecordingSession(
        {
            "isEmpty": {"node": {"isEmpty": empty}},
            "addedPaths": {"node": {"addedPaths": ["new.txt"]}},
            "modifiedPaths": {"node": {"modifiedPaths": ["old.txt"]}},
            "removedPaths": {"node": {"removedPaths": ["gone/"]}},
            "asPatch": {"node": {"asPatch": {"contents": "--- a\n+++ b\n"}}},
            "export": {"node": {"export": "/project"}},
        }
    )


async def test_changes_are_shown_then_applied_with_consent():
    """With -y the paths and the patch are printed and the files are written."""
    out, asked = io.StringIO(), session()

    await apply_changes(asked, CHANGES, FOLDER, Consent(given=True, ask=None), out)

    shown = "+ new.txt\n~ old.txt\n- gone/\n\n--- a\n+++ b\nApplied to /project.\n"
    assert out.getvalue() == shown
    assert 'export(path: "/project")' in asked.queries[-1]


async def test_without_a_terminal_nothing_is_written():
    """Nobody to ask and no -y is an error that says what to do."""
    asked = session()

    with pytest.raises(CommandError, match="Run the same command with -y"):
        await apply_changes(asked, CHANGES, FOLDER, Consent(given=False, ask=None), io.StringIO())

    assert not any("export" in text for text in asked.queries)


@pytest.mark.parametrize(("answer", "applied"), [(True, True), (False, False)])
async def test_a_person_decides_on_a_terminal(answer, applied):
    """The question's answer is kept."""
    asked = session()

    await apply_changes(asked, CHANGES, FOLDER, Consent(given=False, ask=lambda _text: answer), io.StringIO())

    assert applied == any("export" in text for text in asked.queries)


async def test_no_changes_need_no_consent():
    """An empty changeset is success."""
    out = io.StringIO()

    await apply_changes(session(empty=True), CHANGES, FOLDER, Consent(given=False, ask=None), out)

    assert out.getvalue() == "No changes to apply.\n"


async def test_without_a_patch_the_paths_are_shown():
    """An engine that cannot make a patch still shows what would change."""
    asked = session()
    asked.answers = {**asked.answers, "asPatch": UnsupportedError("Changeset.asPatch")}
    out = io.StringIO()

    await apply_changes(asked, CHANGES, FOLDER, Consent(given=True, ask=None), out)

    assert out.getvalue() == "+ new.txt\n~ old.txt\n- gone/\nApplied to /project.\n"


class Terminal(io.StringIO):
    """Say that it is a terminal."""

    def isatty(self) -> bool:
        """Be one."""
        return True


@pytest.mark.parametrize(
    ("typed", "agreed"), [("y\n", True), ("Yes\n", True), ("\n", False), ("no\n", False)]
)
def test_only_yes_is_consent(typed, agreed):
    """Anything but yes is no."""
    question = ask_on(Terminal(typed), io.StringIO())

    assert question is not None
    assert agreed == question("Apply?")


def test_a_pipe_cannot_be_asked():
    """Without a terminal there is no question."""
    assert ask_on(io.StringIO("y\n"), io.StringIO()) is None
