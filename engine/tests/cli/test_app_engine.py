"""The program on the embedded engine, with real containers."""

import os
import signal
import subprocess
import sys
import tarfile
import time
import uuid
from pathlib import Path

import pytest

from .conftest import MODULES

pytestmark = pytest.mark.engine

PROGRAM = [sys.executable, "-m", "wheelhouse_engine", "--engine=embedded", "-s"]
GARDEN = MODULES / "garden"


def wheelhouse(*words: str) -> subprocess.CompletedProcess[str]:
    """Run the program in the module's folder, with the user's own store and its bases."""
    environ = {**os.environ, "TOKEN": "t0ken"}
    return subprocess.run(
        [*PROGRAM, *words], cwd=GARDEN, env=environ, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("code", [3, 42])
def test_a_failed_exec_gives_its_exit_code_and_both_outputs(code):
    """The command ends as the process in the container ended."""
    ran = wheelhouse("call", "fail", f"--code={code}")

    assert (ran.returncode, ran.stdout) == (code, "")
    assert f"Error: exit code: {code}\nStdout:\nsome out\nStderr:\nsome err\n" in ran.stderr


def test_core_functions_go_on_where_the_module_ends():
    """A container's functions follow a function that returns one."""
    ran = wheelhouse("call", "shed", "with-exec", "--args=sh,-c,echo hi; cat /srv/x", "stdout")

    assert (ran.returncode, ran.stdout) == (0, "hi\nx")


def test_a_failed_core_step_has_the_processes_exit_code():
    """A chain of core functions fails as its process did."""
    assert wheelhouse("call", "shed", "with-exec", "--args=sh,-c,exit 5").returncode == 5


def test_a_container_is_saved_as_an_image_archive(tmp_path: Path):
    """`-o` writes an OCI archive and says where."""
    ran = wheelhouse("call", "shed", "-o", str(tmp_path / "shed.tar"))

    assert ran.stderr.endswith(f'Saved to "{tmp_path}/shed.tar".\n')
    with tarfile.open(tmp_path / "shed.tar") as archive:
        assert "index.json" in archive.getnames()


def test_two_calls_at_once_share_one_store_and_one_execution():
    """The same call twice at once runs the exec once; both get its answer."""
    mark = uuid.uuid4().hex
    draw = f"--args=sh,-c,: {mark}; cat /proc/sys/kernel/random/uuid"
    words = [*PROGRAM, "call", "shed", "with-exec", draw, "stdout"]
    both = [subprocess.Popen(words, cwd=GARDEN, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    answers = [one.communicate(timeout=300)[0] for one in both]

    assert [one.returncode for one in both] == [0, 0]
    assert answers[0] == answers[1] != ""


@pytest.mark.parametrize("begun", [(), ("sh", "-c", 'trap "" INT; exec "$@"', "sh")], ids=["", "background"])
def test_a_canceled_exec_is_stopped(begun):
    """Ctrl-C ends the process in the container too, and no traceback is shown.

    So does the signal where a script started the program in the background, with Ctrl-C ignored.
    """
    seconds = 600 + os.getpid() % 1000 / 1000
    digging = subprocess.Popen(
        [*begun, *PROGRAM[:-1], "call", "shed", "with-exec", f"--args=sh,-c,echo digging; sleep {seconds}"],
        cwd=GARDEN, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    with digging:
        assert digging.stderr is not None
        while "| digging" not in digging.stderr.readline():
            pass
        digging.send_signal(signal.SIGINT)
        told = digging.stderr.read()

        assert digging.wait(timeout=300) == 2
    assert "Canceled." in told
    assert "Traceback" not in told
    assert not still_running(f"sleep {seconds}")


def still_running(command: str) -> bool:
    """Say whether a process with this command line lives on after a moment."""
    time.sleep(0.5)
    lines = subprocess.run(
        ["ps", "-eo", "args"], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    return command in lines
