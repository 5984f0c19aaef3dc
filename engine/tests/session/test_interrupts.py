"""Ctrl-C leaves nothing, whatever a command is doing."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from stores import unmounted
from wheelhouse_engine.mounting import mounts_below
from wheelhouse_engine.network import network_name

from .conftest import WHEELHOUSE

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(shutil.which("buildah") is None or os.geteuid() != 0, reason="needs buildah and root"),
]

LIMIT_S = 240
"""Far more than any of this takes, also on a busy machine."""
CANCELED = 2
PROGRAMS = ("/bin/sh", "/bin/cat", "/bin/sleep")
MODULE = """
import dagger
from dagger import dag, function, object_type


@object_type
class Phases:
    @function
    async def base(self) -> str:
        return await dag.container().from_("python:3.13-slim").file("/etc/os-release").contents()

    @function
    async def work(self, root: dagger.Directory) -> str:
        return await self._begun(root).stdout()

    @function
    async def serve(self, root: dagger.Directory) -> str:
        served = dag.container().with_rootfs(root).with_exposed_port(9)
        service = served.as_service(args=["/bin/sh", "-c", "echo begun; sleep 600"])
        user = dag.container().with_rootfs(root).with_service_binding("s", service)
        return await user.with_exec(["/bin/sh"]).stdout()

    @function
    async def pack(self, root: dagger.Directory) -> int:
        return await dag.container().with_rootfs(root).as_tarball().size()

    def _begun(self, root: dagger.Directory) -> dagger.Container:
        return dag.container().with_rootfs(root).with_exec(["/bin/sh", "-c", "echo begun; sleep 600"])
"""
WRAPPER = """#!/bin/sh
case " $* " in *" {word} "*) {act} touch {mark}; sleep 600 & wait;; esac
exec {program} "$@"
"""
BOOTSTRAP = """
mkdir -p "$TMPDIR/mmdebstrap.x/proc"
mount -t tmpfs none "$TMPDIR/mmdebstrap.x/proc"
trap '' TERM
"""


@dataclass
class Command:
    """A running `wheelhouse call` on a store of its own."""

    store: Path
    process: subprocess.Popen[str]
    said: list[str] = field(default_factory=list)

    def wait_for(self, text: str) -> None:
        """Read its progress up to a line with this text."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said.append(line)
            if text in line:
                return
        raise AssertionError("".join(self.said))

    def interrupt(self, times: int = 1) -> None:
        """Send Ctrl-C and wait for the end."""
        self.session = next((self.store / "v1/sessions").iterdir()).name
        for _ in range(times):
            self.process.send_signal(signal.SIGINT)
        self.said.append(self.process.communicate(timeout=LIMIT_S)[1])

    def left(self) -> list[str]:
        """Return what is left of the session: files, mounts, containers, processes, networks."""
        root = self.store / "v1"
        files = [str(one) for name in ("sessions", "work") for one in (root / name).iterdir()]
        files += [str(one) for one in (*root.glob("**/.tmp-*"), *root.glob("bases/*.tar"))]
        mounts = [str(one) for one in mounts_below(self.store) if one != root / "storage/overlay"]
        index = root / "storage/overlay-containers/containers.json"
        containers = [one["id"] for one in json.loads(index.read_text())] if index.exists() else []
        networks = subprocess.run(["ip", "link"], capture_output=True, text=True, check=True).stdout
        networks = network_name(self.session) if network_name(self.session) in networks else ""
        return [*files, *mounts, *containers, *_processes(self.store), *([networks] if networks else [])]


def _processes(store: Path) -> list[str]:
    """Return the processes whose words or folder name a store."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            words = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            place = str((path / "cwd").readlink())
        except OSError:
            continue
        if str(store) in words + place and int(path.name) != os.getpid():
            found.append(words)
    return found


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Give a folder with a shell and what it is linked with."""
    folder = tmp_path / "root"
    linked = subprocess.run(["ldd", *PROGRAMS], check=True, capture_output=True, text=True).stdout
    for name in {*PROGRAMS, *(word for word in linked.split() if word.startswith("/") and word[-1] != ":")}:
        (folder / name.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(name, folder / name.lstrip("/"))
    return folder


@pytest.fixture
def call(tmp_path: Path, root: Path) -> Iterator[Callable[..., Command]]:
    """Return a function that starts a call; a program may stop at a word, which makes a file `begun`."""
    module, programs = tmp_path / "module", tmp_path / "programs"
    module.mkdir()
    programs.mkdir()
    (module / "dagger.json").write_text('{"name": "phases", "sdk": "python"}')
    (module / "main.py").write_text(MODULE)
    started: list[subprocess.Popen[str]] = []

    def start(function: str, stop: tuple[str, str] = ("", ""), act: str = "") -> Command:
        program, word = stop
        if program:
            real = shutil.which(program) or "/bin/false"
            text = WRAPPER.format(word=word, act=act, mark=tmp_path / "begun", program=real)
            (programs / program).write_text(text)
            (programs / program).chmod(0o755)
        words = ["--progress=plain", "call", "-m", str(module), function]
        words += [] if function == "base" else [f"--root={root}"]
        environ = {
            **os.environ,
            "PATH": f"{programs}:{os.environ['PATH']}",
            "WHEELHOUSE_STORE": str(tmp_path / "store"),
            "WHEELHOUSE_REGISTRY_MIRROR": "127.0.0.1:1",
        }
        process = subprocess.Popen(
            [WHEELHOUSE, "--engine=embedded", *words],
            env=environ,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return Command(tmp_path / "store", process)

    with unmounted(tmp_path / "store"):
        yield start
        for process in started:
            process.kill()
            process.communicate()


def wait_for_file(path: Path, command: Command) -> None:
    """Wait until a program has stopped at its word."""
    end = time.monotonic() + LIMIT_S
    while not path.exists():
        assert command.process.poll() is None, command.process.communicate()[1]
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


@pytest.mark.parametrize("function", ["work", "serve"])
def test_a_process_that_runs_is_ended(call, function):
    """An exec and a service that is not ready yet leave no process, mount, container or network."""
    command = call(function)
    command.wait_for("begun")

    command.interrupt()

    assert command.process.returncode == CANCELED, command.said
    assert command.left() == []


@pytest.mark.parametrize(
    ("function", "stop"),
    [("work", ("buildah", "from")), ("work", ("buildah", "commit")), ("pack", ("skopeo", "copy"))],
    ids=str,
)
def test_a_tool_that_works_is_ended(call, tmp_path, function, stop):
    """A working container, a commit and an export that are interrupted leave nothing."""
    command = call(function, stop)
    wait_for_file(tmp_path / "begun", command)

    command.interrupt()

    assert command.process.returncode == CANCELED, command.said
    assert command.left() == []


def test_the_bootstrap_of_a_base_leaves_no_files_and_no_mount(call, tmp_path):
    """mmdebstrap, ended before it could clean up, leaves neither its root nor what it mounted there."""
    command = call("base", ("mmdebstrap", "--variant=minbase"), BOOTSTRAP)
    wait_for_file(tmp_path / "begun", command)

    command.interrupt()

    assert command.process.returncode == CANCELED, command.said
    assert command.left() == []
    assert not list(tmp_path.glob("**/mmdebstrap.x"))


def test_a_second_interrupt_does_not_cut_the_clean_up_short(call):
    """An impatient user is told what happens, and nothing stays."""
    command = call("work")
    command.wait_for("begun")

    command.interrupt(times=2)

    assert command.process.returncode == CANCELED, command.said
    assert command.left() == []


def test_an_interrupted_store_can_be_removed(call, root):
    """After interrupts in several phases the whole store goes with one command."""
    for function in ("work", "serve", "work"):
        command = call(function)
        command.wait_for("begun")
        command.interrupt()
    for point in mounts_below(command.store):
        subprocess.run(["umount", str(point)], check=True)

    shutil.rmtree(command.store)

    assert root.is_dir()
