"""Measure what the engine adds to buildah: `python tests/engine/bench.py [STEPS]`, as root.

Prints seconds and ratios of a chain of execs, cold and cached, against the same
chain as a Containerfile built with `buildah build --layers`.
"""

import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pipeline.engine.store import Store

BASE = os.environ.get("BASE", "python:3.13-slim")
WHEELHOUSE = str(Path(sys.executable).with_name("wheelhouse"))
PREPARE = """
import anyio, dagger, sys
from dagger import dag

async def main():
    async with dagger.connection():
        await dag.container().from_(sys.argv[1]).with_exec(["true"]).sync()

anyio.run(main)
"""
PROGRAM = """
import sys, time, anyio, dagger
from dagger import dag

async def main():
    async with dagger.connection():
        chain = dag.container().from_(sys.argv[1]).with_env_variable("MARK", sys.argv[2])
        for step in range(int(sys.argv[3])):
            chain = chain.with_exec(["sh", "-c", f"echo {step} > /step-{step}"])
        started = time.monotonic()
        await chain.sync()
        print(time.monotonic() - started)

anyio.run(main)
"""


def engine(mark: str, steps: int, folder: Path) -> tuple[float, float]:
    """Return the seconds of the chain alone, and of the whole process with its imports."""
    program = folder / "program.py"
    program.write_text(PROGRAM)
    command = [
        WHEELHOUSE,
        "--engine=embedded",
        "-s",
        "run",
        sys.executable,
        str(program),
        BASE,
        mark,
        str(steps),
    ]
    started = time.monotonic()
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout), time.monotonic() - started


def buildah(mark: str, steps: int, folder: Path, base: str) -> float:
    """Return the seconds of one build of the same chain, on the same storage."""
    lines = [f"FROM {base}", f"ENV MARK={mark}-buildah"]
    lines += [f'RUN ["sh", "-c", "echo {step} > /step-{step}"]' for step in range(steps)]
    (folder / "Containerfile").write_text("\n".join(lines))
    store = Store.open(os.environ)
    command = ["buildah", "--root", str(store.storage), "--runroot", str(store.runroot), "build"]
    command += ["--layers", "--pull-never", "--isolation", "oci", "--runtime", "runc", "--network", "host"]
    started = time.monotonic()
    subprocess.run(
        [*command, "-f", str(folder / "Containerfile"), str(folder)], check=True, capture_output=True
    )
    return time.monotonic() - started


def base_image() -> str:
    """Return the id of the base image in storage; it is made if it is not there."""
    command = [WHEELHOUSE, "--engine=embedded", "-s", "run", sys.executable, "-c", PREPARE, BASE]
    subprocess.run(command, check=True, capture_output=True)
    listed = (Store.open(os.environ).storage / "overlay-images" / "images.json").read_text()
    wanted = BASE.split(":")[1]
    images = [one for one in json.loads(listed) if any(wanted in name for name in one.get("names") or [])]
    return str(images[0]["id"])


def main() -> None:
    """Run each side cold, then cached, and print the ratios."""
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    mark, base = secrets.token_hex(4), base_image()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        buildah_cold, buildah_cached = (buildah(mark, steps, folder, base) for _ in range(2))
        cold, _ = engine(mark, steps, folder)
        cached, process = engine(mark, steps, folder)
    for kind, ours, theirs in (("cold", cold, buildah_cold), ("cached", cached, buildah_cached)):
        line = f"{steps} execs {kind}: {ours:.2f} s, buildah {theirs:.2f} s, ratio {ours / theirs:.2f}\n"
        sys.stdout.write(line)
    sys.stdout.write(f"cached, from process start: {process:.2f} s\n")


if __name__ == "__main__":
    main()
