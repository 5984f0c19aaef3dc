"""Progress stands on stderr, in the form that was asked for."""

import io
import re

import pytest

from wheelhouse_engine.progress import (
    DotsProgress,
    LogsProgress,
    PlainProgress,
    Progress,
    SilentProgress,
    TreeProgress,
    one_line,
    open_progress,
)


class Terminal(io.StringIO):
    """Say that it is a terminal."""

    def isatty(self) -> bool:
        """Be one."""
        return True


def bare(stream: io.StringIO) -> str:
    """Give what was written without colours and cursor moves."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())


def play(progress: Progress) -> None:
    """Send one operation that runs, one that is cached, one that fails, and a warning."""
    progress.begin("a", "exec python -V")
    progress.output("a", "stdout", "Python 3.13\n")
    progress.end("a", cached=False, error=None, seconds=0.42)
    progress.begin("b", "from\nbase")
    progress.end("b", cached=True, error=None, seconds=0.0)
    progress.begin("c", "exec false")
    progress.end("c", cached=False, error="exit code: 1", seconds=1.0)
    progress.warn("a stand-in image")
    progress.close()
    progress.close()


def test_plain_lines_are_numbered():
    """Every event is one line behind the operation's number."""
    out = io.StringIO()
    play(PlainProgress(out))

    assert out.getvalue().splitlines() == [
        "#1 exec python -V",
        "#1 | Python 3.13",
        "#1 done 0.4s",
        "#2 from base",
        "#2 cached",
        "#3 exec false",
        "#3 failed 1.0s: exit code: 1",
        "warning: a stand-in image",
    ]


def test_dots_are_one_character_each():
    """A dot is done, c cached, X failed; the line is ended."""
    out = io.StringIO()
    play(DotsProgress(out))

    assert out.getvalue() == ".cXwarning: a stand-in image\n\n"


def test_logs_are_only_what_was_written():
    """The outputs come as they are."""
    out = io.StringIO()
    play(LogsProgress(out))

    assert out.getvalue() == "Python 3.13\nwarning: a stand-in image\n"


def test_silence_keeps_warnings():
    """What a person must see is never dropped."""
    out = io.StringIO()
    play(SilentProgress(out))

    assert out.getvalue() == "warning: a stand-in image\n"


def test_the_tree_leaves_what_ran_and_takes_itself_away():
    """On a terminal finished operations stay as lines; cached ones only when asked."""
    quiet, normal, loud = Terminal(), Terminal(), Terminal()
    play(TreeProgress(quiet, keep=False))
    play(TreeProgress(normal))
    play(TreeProgress(loud, detail=True))

    assert "exec python -V done" not in bare(quiet)
    assert "exec python -V done 0.4s" in bare(normal)
    assert "exec false failed 1.0s: exit code: 1" in bare(normal)
    assert "from base cached" not in bare(normal)
    assert "from base cached" in bare(loud)


def test_brackets_in_output_are_no_markup():
    """What an operation writes cannot change how it is shown."""
    out = Terminal()
    tree = TreeProgress(out, detail=True)
    tree.begin("a", "exec [red]x[/red]")
    tree.output("a", "stdout", "[bold]text[/nonsense]")
    tree.end("a", cached=False, error=None, seconds=0.1)
    tree.close()

    assert "[bold]text[/nonsense]" in out.getvalue()
    assert "exec [red]x[/red]" in out.getvalue()


@pytest.mark.parametrize(
    ("options", "environ", "terminal", "kind"),
    [
        ({}, {}, True, TreeProgress),
        ({}, {}, False, PlainProgress),
        ({}, {"TERM": "dumb"}, True, PlainProgress),
        ({}, {"DAGGER_PROGRESS": "dots"}, True, DotsProgress),
        ({"mode": "plain"}, {"DAGGER_PROGRESS": "dots"}, True, PlainProgress),
        ({"mode": "logs"}, {}, True, LogsProgress),
        ({"silent": True}, {}, True, SilentProgress),
        ({}, {"DAGGER_SILENT": "1"}, True, SilentProgress),
        ({"verbosity": -1}, {}, False, SilentProgress),
    ],
)
def test_flags_variables_and_the_terminal_choose(options, environ, terminal, kind):
    """Flags win over variables, which win over what stderr is."""
    stream = Terminal() if terminal else io.StringIO()

    assert type(open_progress(stream=stream, environ=environ, **options)) is kind


def test_an_unknown_mode_is_refused():
    """A mode from the environment is checked too."""
    with pytest.raises(ValueError, match="expected one of auto, plain, tty, dots, logs"):
        open_progress(environ={"DAGGER_PROGRESS": "loud"}, stream=io.StringIO())


def test_colour_is_left_out_when_asked(monkeypatch):
    """NO_COLOR is honoured on a terminal."""
    monkeypatch.setenv("NO_COLOR", "1")
    out = Terminal()
    progress = TreeProgress(out)
    progress.warn("x")
    progress.close()

    assert "\x1b[3" not in out.getvalue()


def test_names_are_folded_to_one_line():
    """White space is folded and long names are cut."""
    assert one_line("a\n  b") == "a b"
    assert one_line("x" * 200, width=5) == "xxxx…"
