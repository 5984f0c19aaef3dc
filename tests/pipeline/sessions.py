"""Run lines of a dagger-io program against the embedded engine, as a user's own program would.

Only a function of a module has a module's source, so the rooms get their programs from this machine.
"""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).parents[2]
BASE = os.environ.get("BASE", "python:3.13-slim")
PROGRAM = """\
import json, sys
import anyio, dagger
from dagger import dag
from pathlib import Path
from pipeline import containers as rooms
BASE, FOLDER, ROOT = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
rooms.programs = lambda: dag.host().directory(str(rooms.PROGRAMS))
async def main():
    async with dagger.connection():
{lines}
anyio.run(main)
"""


def run_session(folder: Path, body: str) -> "subprocess.CompletedProcess[str]":
    """Return the finished program whose lines these are; BASE, FOLDER and ROOT are set in it."""
    path = folder / "program.py"
    lines = textwrap.indent(textwrap.dedent(body).strip(), " " * 8)
    path.write_text(PROGRAM.format(lines=lines))
    wheelhouse = str(Path(sys.executable).with_name("wheelhouse"))
    command = [
        wheelhouse,
        "--engine=embedded",
        "run",
        sys.executable,
        str(path),
        BASE,
        str(folder),
        str(ROOT),
    ]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=600)
