"""A person's terminal in a container: opened on request, or where an exec failed."""

import os
import pty
import re
import select
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

pytestmark = pytest.mark.engine

WHEELHOUSE = str(Path(sys.executable).with_name("wheelhouse"))
MODULE = Path(__file__).parents[1] / "assets" / "modules" / "garden"
LIMIT_S = 120


class Person:
    """Sit at a terminal, start a command there, read and type."""

    def __init__(self, *words: str) -> None:
        self.seen = ""
        self.pid, self.screen = pty.fork()
        if self.pid == 0:
            os.execvpe(words[0], words, os.environ | {"TERM": "xterm-mono"})  # noqa: S606

    def until(self, pattern: str) -> re.Match[str]:
        """Read until something is on the screen."""
        end = time.monotonic() + LIMIT_S
        while not (found := re.search(pattern, self.seen)):
            assert time.monotonic() < end, self.seen
            if select.select([self.screen], [], [], 1)[0]:
                self.seen += os.read(self.screen, 65536).decode(errors="replace")
        return found

    def type(self, text: str) -> None:
        """Type a line."""
        self.seen = ""
        os.write(self.screen, text.encode() + b"\r")

    def ended(self) -> int:
        """Wait for the command's end; return its exit code."""
        while True:
            try:
                self.seen += os.read(self.screen, 65536).decode(errors="replace")
            except OSError:  # the other side is closed
                return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def call(*words: str, options: tuple[str, ...] = ()) -> Person:
    """Call the garden's shed, a container, at a terminal."""
    return Person(WHEELHOUSE, "--engine=embedded", *options, "call", "-m", str(MODULE), "shed", *words)


def test_a_terminal_shows_the_container_and_changes_nothing() -> None:
    """One types in the container; what is done there is not in what follows."""
    name = f"/tmp/{uuid.uuid4().hex}"
    person = call("terminal", "with-exec", f"--args=sh,-c,ls {name} || echo untouched", "stdout")
    person.until(r"Leave it with `exit`")
    person.type(f"touch {name}; echo =$(tty)=$TERM=$(stty size)=; exit 3")
    person.until(r"=/dev/pts/0=xterm-mono=\d+ \d+=")

    assert person.ended() == 0
    assert "untouched" in person.seen


def test_a_failed_exec_can_be_looked_into() -> None:
    """With --interactive a terminal opens in the file system the failed exec left; the error stays one."""
    name = f"/tmp/{uuid.uuid4().hex}"
    person = call("with-exec", f"--args=sh,-c,echo why > {name}; exit 7", "sync", options=("--interactive",))
    person.until(r"ended with 7:[^$]*Leave it with `exit`")
    person.type(f"echo found $(cat {name}); exit")
    person.until(r"found why")

    assert person.ended() == 7


def test_without_a_terminal_there_is_one_sentence() -> None:
    """A script that asks for a terminal is told how to get one."""
    words = [WHEELHOUSE, "--engine=embedded", "call", "-m", str(MODULE), "shed", "terminal", "sync"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, start_new_session=True)

    assert done.returncode != 0
    assert "Run it from an interactive shell" in done.stderr


def test_a_failure_without_a_terminal_stays_that_failure() -> None:
    """A script with --interactive is told that there is no terminal, and still why the exec failed."""
    words = [WHEELHOUSE, "--engine=embedded", "--interactive", "call", "-m", str(MODULE), "shed", "with-exec"]
    words += ["--args=sh,-c,echo the reason >&2; exit 7", "sync"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, start_new_session=True)

    assert done.returncode == 7
    assert "Run it from an interactive shell" in done.stderr
    assert "the reason" in done.stderr
