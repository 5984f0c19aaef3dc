"""Measure what the engine adds to buildah: `python engine/tests/bench.py [STEPS]`, as root.

One run, side by side: a chain of execs, cold and cached, against the same chain as
a Containerfile built with `buildah build --layers`; a cached function called from
process start; a directory of 2,000 files and 500 MB synced twice. Seconds by the
clock, and processor seconds of all processes in brackets: those mean something on
a busy machine, too.
"""

import itertools
import json
import os
import resource
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from wheelhouse_engine.store import Store

BASE = os.environ.get("BASE", "python:3.13-slim")
WHEELHOUSE = [str(Path(sys.executable).with_name("wheelhouse")), "--engine=embedded", "-s"]
MODULE = Path(__file__).parent / "assets" / "modules" / "garden"
FILES, FILE_BYTES = 2000, 250_000
GOALS = {"cold": 1.15, "cached": 1.0, "call": 1.2, "sync": 0.3}
"""Ratio, ratio, seconds, seconds."""
CONNECTED = """
import os, sys, time, anyio, dagger
from dagger import dag

async def main():
    async with dagger.connection():
        {body}

anyio.run(main)
"""
PREPARE = "await dag.container().from_(sys.argv[1]).with_exec(['true']).sync()"
CHAIN = """chain = dag.container().from_(sys.argv[1]).with_env_variable("MARK", sys.argv[2])
        for step in range(int(sys.argv[3])):
            chain = chain.with_exec(["sh", "-c", f"echo {step} > /step-{step}"])
        print(time.monotonic())
        await chain.sync()
        print(time.monotonic())"""
SYNC = """for _ in range(2):
            print(time.monotonic())
            await dag.host().directory(sys.argv[1], no_cache=True).sync()
        print(time.monotonic())"""


@dataclass(frozen=True, slots=True)
class Took:
    """Hold what something took."""

    seconds: float
    processor_s: float
    """Of all processes that were waited for, the client's too."""
    output: str = ""

    def __str__(self) -> str:
        """Write `1.23 s (0.45 s of processor)`."""
        return f"{self.seconds:.2f} s ({self.processor_s:.2f})"


def timed(run: Callable[[], str]) -> Took:
    """Run something and measure it."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    output = run()
    seconds, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Took(seconds, used, output)


def program(body: str, *args: str) -> str:
    """Run a program of the client in a session; return what it prints."""
    words = [*WHEELHOUSE, "run", sys.executable, "-c", CONNECTED.replace("{body}", body), *args]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def moments(took: Took) -> list[float]:
    """Return the seconds between the moments that a program printed."""
    times = [float(line) for line in took.output.split()]
    return [after - before for before, after in itertools.pairwise(times)]


def buildah(mark: str, steps: int, folder: Path, base: str) -> str:
    """Build the same chain on the same storage."""
    lines = [f"FROM {base}", f"ENV MARK={mark}-buildah"]
    lines += [f'RUN ["sh", "-c", "echo {step} > /step-{step}"]' for step in range(steps)]
    (folder / "Containerfile").write_text("\n".join(lines))
    store = Store.open(os.environ)
    command = ["buildah", "--root", str(store.storage), "--runroot", str(store.runroot), "build"]
    command += ["--layers", "--pull-never", "--isolation", "oci", "--runtime", "runc", "--network", "host"]
    words = [*command, "-f", str(folder / "Containerfile"), str(folder)]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def base_image() -> str:
    """Return the id of the base image in storage; it is made if it is not there."""
    body = f"{PREPARE}; print(await dag.container().from_(sys.argv[1]).image_ref())"
    program(body, BASE)
    listed = (Store.open(os.environ).root / "bases" / "bases.json").read_text()
    images = json.loads(listed)["images"]
    return str(next(one["image_id"] for name, one in images.items() if BASE in name))


def report(kind: str, line: str, value: float) -> None:
    """Print one line with its goal and whether it was met."""
    goal = GOALS[kind]
    sys.stdout.write(f"{line}; goal <= {goal:g}: {'met' if value <= goal else 'missed'}\n")
    sys.stdout.flush()


def chains(steps: int, folder: Path) -> None:
    """Compare the chain with buildah's own, cold and cached."""
    mark, base = secrets.token_hex(4), base_image()
    for kind in ("cold", "cached"):
        theirs = timed(lambda: buildah(mark, steps, folder, base))
        ours = timed(lambda: program(CHAIN, BASE, mark, str(steps)))
        seconds = moments(ours)[0]
        ratio = seconds / theirs.seconds
        line = f"{steps} execs {kind}: {seconds:.2f} s (whole process {ours}), buildah {theirs}"
        report(kind, f"{line}, ratio {ratio:.2f}", ratio)


def call() -> None:
    """Measure a cached function from process start."""
    words = [*WHEELHOUSE, "call", "-m", str(MODULE), "shed", "with-exec", "--args=echo,bench", "stdout"]

    def once() -> str:
        return subprocess.run(words, check=True, capture_output=True, text=True).stdout

    once()
    took = min((timed(once) for _ in range(3)), key=lambda one: one.seconds)
    report("call", f"cached call from process start: {took}", took.seconds)


def sync(folder: Path) -> None:
    """Measure bringing a directory of this machine twice."""
    for number in range(FILES):
        path = folder / f"{number % 50}" / f"{number}.bin"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(os.urandom(FILE_BYTES))
    took = timed(lambda: program(SYNC, str(folder)))
    first, second = moments(took)
    report("sync", f"{FILES} files, 500 MB: first sync {first:.2f} s, second {second:.2f} s", second)


def main() -> None:
    """Measure everything and print it."""
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    sys.stdout.write(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors\n")
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        chains(steps, Path(one))
        call()
        sync(Path(other))


if __name__ == "__main__":
    main()
