"""Kill parts of the engine at random moments: `python engine/tests/stress.py [KILLS]`, as root.

Each round starts a chain of operations, sends KILL to the engine, to a buildah
or a runc of its own or to a process inside a container, runs the same chain again and
compares the digests with those of a run that nobody disturbed. Prints what
survived of what was attempted; exit code 1 if any did not, or left something behind.
"""

import json
import os
import random
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from wheelhouse_engine.store import Store

BASE = os.environ.get("BASE", "python:3.13-slim")
WHEELHOUSE = str(Path(sys.executable).with_name("wheelhouse"))
KILLS = 30
LIMIT_S = 180
VICTIMS = ("engine", "buildah", "exec", "runc")
PROGRAM = """
import sys, anyio, dagger
from dagger import dag

async def main():
    async with dagger.connection():
        base, mark = sys.argv[1:]
        given = dag.directory().with_new_file("a", "b").with_symlink("a", "link")
        c = dag.container().from_(base).with_env_variable("MARK", mark)
        c = c.with_mounted_directory("/given", given).with_mounted_cache("/cache", dag.cache_volume("stress"))
        c = c.with_exec(["sh", "-c", "mkdir /out; cat /given/link > /out/one; echo w > /given/written"])
        c = c.with_new_file("/out/two", "2", permissions=0o640, owner="7:8")
        c = c.with_directory("/out/copied", given)
        c = c.with_exec(["sh", "-c", "head -c 3000000 /dev/zero > /out/three; ln /out/one /out/l; sleep .3"])
        c = c.with_exec(["sh", "-c", "touch /cache/x; rm /out/two; ls -R /out > /out/list"])
        print(await c.directory("/out").digest(), await c.directory("/given").digest())

anyio.run(main)
"""


@dataclass(frozen=True, slots=True)
class Round:
    """Tell how one kill went."""

    victim: str
    after_s: float
    """Seconds from the start of the chain to the kill."""
    killed: bool
    """False when the chain ended before there was anything to kill."""
    digests: str
    """What the clean run after it printed."""
    left: tuple[str, ...]
    """Processes, containers, mounts and folders that were there after both runs."""


def start(program: Path, mark: str) -> subprocess.Popen[str]:
    """Start the chain; everything it makes is new because of the mark."""
    command = [WHEELHOUSE, "--engine=embedded", "-s", "run", sys.executable, str(program), BASE, mark]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def processes() -> Iterator[tuple[int, int, str, str]]:
    """Yield pid, parent, name and environment of every process."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                name, rest = (folder / "stat").read_text().partition("(")[2].rsplit(")", 1)
                environ = (folder / "environ").read_bytes().decode(errors="replace")
            except OSError:
                continue
            yield int(folder.name), int(rest.split()[1]), name, environ


def targets(victim: str, engine: int, mark: str) -> list[int]:
    """Return the processes of this round that may be killed now."""
    if victim == "engine":
        return [engine]
    if victim == "exec":
        return [pid for pid, _, _, environ in processes() if f"MARK={mark}\0" in environ]
    return [pid for pid, parent, name, _ in processes() if parent == engine and name == victim]


def leftovers(engine: int, mark: str) -> tuple[str, ...]:
    """Return what a session left: only what bears its process id or its mark counts."""
    store, prefix = Store.open(os.environ), f"wheelhouse-{engine}-"
    index = json.loads((store.storage / "overlay-containers" / "containers.json").read_text())
    containers = [name for one in index for name in one["names"] if name.startswith(prefix)]
    mounts = [line for line in Path("/proc/mounts").read_text().splitlines() if prefix in line]
    folders = [str(path) for name in ("sessions", "work") for path in (store.root / name).glob(f"{prefix}*")]
    alive = [f"process {pid} {name}" for pid, _, name, environ in processes() if f"MARK={mark}\0" in environ]
    return (*alive, *containers, *mounts, *folders)


def disturb(program: Path, victim: str, after_s: float, mark: str) -> tuple[int, bool]:
    """Run the chain and kill the victim at a moment; return the engine's pid and whether it was hit."""
    running = start(program, mark)
    end = time.monotonic() + after_s
    killed = False
    while not killed and running.poll() is None:
        if time.monotonic() >= end:
            for pid in targets(victim, running.pid, mark):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
                killed = True
        time.sleep(0.005)
    running.communicate(timeout=LIMIT_S)
    return running.pid, killed


def run_round(program: Path, victim: str, longest_s: float) -> Round:
    """Kill once, then run the same chain undisturbed."""
    mark, after_s = secrets.token_hex(8), random.uniform(0.2, longest_s)  # noqa: S311 - a moment, no secret
    engine, killed = disturb(program, victim, after_s, mark)
    again = start(program, mark)
    stdout, stderr = again.communicate(timeout=LIMIT_S)
    left = leftovers(engine, mark) + leftovers(again.pid, mark)
    return Round(victim, after_s, killed, stdout.strip() or stderr.strip()[-300:], left)


def rounds(kills: int) -> Iterator[tuple[Round, str]]:
    """Yield each round that hit something, and the digests it should have given."""
    with tempfile.TemporaryDirectory() as name:
        program = Path(name) / "program.py"
        program.write_text(PROGRAM)
        for mark in (secrets.token_hex(8), secrets.token_hex(8)):
            began = time.monotonic()
            wanted = start(program, mark).communicate(timeout=LIMIT_S * 3)[0].strip()
        longest_s, hit = time.monotonic() - began, 0
        while hit < kills:
            one = run_round(program, VICTIMS[hit % len(VICTIMS)], longest_s * 0.9)
            hit += one.killed
            if one.killed:
                yield one, wanted


def main() -> int:
    """Run the rounds and print each, then survived and attempted."""
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else KILLS
    survived = 0
    for number, (one, wanted) in enumerate(rounds(kills), 1):
        fine = one.digests == wanted != "" and not one.left
        survived += fine
        faults = "" if fine else f": found {one.digests}, expected {wanted}, left {list(one.left)}"
        word = "survived" if fine else "FAILED"
        sys.stdout.write(f"{number:3} kill -9 {one.victim:7} after {one.after_s:5.2f} s {word}{faults}\n")
        sys.stdout.flush()
    sys.stdout.write(f"kills survived / attempted: {survived} / {kills}\n")
    return int(survived != kills)


if __name__ == "__main__":
    sys.exit(main())
