"""What happens when something is killed, interrupted, damaged or full."""

import json
import os
import secrets
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from wheelhouse_engine.store import Store

pytestmark = pytest.mark.engine

LIMIT_S = 300
"""Far more than any of this takes, also on a busy machine."""
Start = Callable[..., subprocess.Popen[str]]
CHAIN = """
c = dag.container().from_(BASE).with_mounted_directory("/m", dag.directory().with_new_file("a", "b"))
c = c.with_env_variable("N", sys.argv[1]).with_exec(["sh", "-c", "echo one > /one"])
c = c.with_exec(["sh", "-c", "echo started $N; sleep {seconds}; cat /one"])
print(await c.stdout())
"""


def leftovers(mark: str, engine: int) -> list[str]:
    """Return what a session left behind: processes, containers, mounts, scratch folders.

    Other sessions may use the store at the same time, so only what bears the
    engine's process id counts.
    """
    store, prefix = Store.open(os.environ), f"wheelhouse-{engine}-"
    listed = subprocess.run(["pgrep", "-fa", mark], capture_output=True, text=True, check=False).stdout
    processes = [line for line in listed.splitlines() if "pgrep" not in line]
    index = json.loads((store.storage / "overlay-containers" / "containers.json").read_text())
    containers = [name for one in index for name in one["names"] if name.startswith(prefix)]
    mounts = [line for line in Path("/proc/mounts").read_text().splitlines() if prefix in line]
    folders = [str(path) for name in ("sessions", "work") for path in (store.root / name).glob(f"{prefix}*")]
    return [*processes, *containers, *mounts, *folders]


def wait_until(seen: Callable[[], object], limit_s: float = LIMIT_S) -> None:
    """Wait until something is so."""
    end = time.monotonic() + limit_s
    while not seen():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


def record_of(name: str) -> Path:
    """Return the record of the exec that printed a name."""
    records = (Store.open(os.environ).root / "records").rglob("*.json")
    return next(path for path in records if f"started {name}" in path.read_text())


def running(mark: str) -> bool:
    """Say whether an exec's process runs."""
    return (
        subprocess.run(["pgrep", "-f", f"^sleep {mark}$"], capture_output=True, check=False).returncode == 0
    )


@pytest.fixture
def seconds() -> Iterator[str]:
    """Give a length of sleep that no other process has; no process with it may remain."""
    mark = f"{secrets.randbelow(9000) + 1000}.{secrets.randbelow(9000)}"
    yield mark
    subprocess.run(["pkill", "-f", f"sleep {mark}"], check=False)


def test_interrupt_stops_the_exec_and_removes_its_mounts(program: Start, seconds: str) -> None:
    """Ctrl-C ends execs, which would sleep for an hour, and leaves no process, container or mount."""
    started = program(CHAIN.format(seconds=seconds), uuid.uuid4().hex)
    wait_until(lambda: running(seconds))

    started.send_signal(signal.SIGINT)
    started.communicate(timeout=LIMIT_S)

    assert started.returncode != 0
    assert leftovers(f"sleep {seconds}", started.pid) == []


def test_next_run_cleans_up_after_a_killed_engine(program: Start, seconds: str) -> None:
    """After kill -9 of the engine the next session ends its containers and unmounts them."""
    started = program(CHAIN.format(seconds=seconds), uuid.uuid4().hex)
    wait_until(lambda: running(seconds))
    started.kill()
    started.communicate()

    after = program("print(await dag.version())")
    assert "v0.21" in after.communicate(timeout=LIMIT_S)[0]

    assert leftovers(f"sleep {seconds}", started.pid) == []


@pytest.mark.parametrize("victim", ["runc", "sleep"])
def test_killed_worker_fails_the_run_and_the_next_one_works(
    program: Start, seconds: str, victim: str
) -> None:
    """Kill -9 of runc or of the exec's process is an error once; the same run then succeeds."""
    name = uuid.uuid4().hex
    started = program(CHAIN.format(seconds=seconds), name)
    wait_until(lambda: running(seconds))
    # Only what this test started: other sessions of the machine run it too.
    chosen = ["-f", f"sleep {seconds}"] if victim == "sleep" else ["-P", str(started.pid), "-f", "runc"]
    assert subprocess.run(["pkill", "-9", *chosen], check=False).returncode == 0
    started.communicate(timeout=LIMIT_S)
    assert started.returncode != 0

    again = program(CHAIN.format(seconds="0.01"), name)
    assert "one" in again.communicate(timeout=LIMIT_S)[0]


def test_damaged_record_is_made_again(program: Start) -> None:
    """A record that is not JSON any more counts as none: the exec runs again."""
    name = uuid.uuid4().hex
    body = CHAIN.format(seconds="0.01")
    assert program(body, name).communicate(timeout=LIMIT_S)[0].count("started") == 1
    record_of(name).write_text("{ torn")

    assert "one" in program(body, name).communicate(timeout=LIMIT_S)[0]


def test_removed_image_is_made_again(program: Start) -> None:
    """A record whose image is gone from storage is forgotten, and the exec runs again."""
    name = uuid.uuid4().hex
    body = CHAIN.format(seconds="0.01")
    program(body, name).communicate(timeout=LIMIT_S)
    image = json.loads(record_of(name).read_text())["image"]
    store = Store.open(os.environ)
    options = ["--root", str(store.storage), "--runroot", str(store.runroot)]
    subprocess.run(["buildah", *options, "rmi", "-f", image], check=True, capture_output=True)

    assert "one" in program(body, name).communicate(timeout=LIMIT_S)[0]


def test_two_processes_run_the_same_exec_once(program: Start) -> None:
    """Two sessions that ask for the same operation at once share one execution."""
    body = """
c = dag.container().from_(BASE).with_env_variable("N", sys.argv[1])
print(await c.with_exec(["sh", "-c", "sleep 1; cat /proc/sys/kernel/random/uuid"]).stdout())
"""
    name = uuid.uuid4().hex
    both = [program(body, name), program(body, name)]
    answers = {one.communicate(timeout=LIMIT_S)[0].strip() for one in both}

    assert len(answers) == 1


def test_full_disk_is_one_clear_error(program: Start, tmp_path: Path) -> None:
    """A store without space says so, says what to do, and works again once there is space."""
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(small)], check=True)
    body = 'print(await dag.directory().with_new_file("x", "y" * int(sys.argv[1])).file("x").size())'
    try:
        full = program(body, "20000000", WHEELHOUSE_STORE=str(small))
        _, said = full.communicate(timeout=LIMIT_S)
        assert full.returncode != 0
        assert "no space left" in said
        assert "prune" in said
        subprocess.run(["mount", "-o", "remount,size=80m", str(small)], check=True)

        assert (
            "20000000"
            in program(body, "20000000", WHEELHOUSE_STORE=str(small)).communicate(timeout=LIMIT_S)[0]
        )
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)
