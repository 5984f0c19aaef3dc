"""Sessions of the real engine, on the user's own store unless a test needs another."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from wheelhouse_engine.progress import SilentProgress
from wheelhouse_engine.session import Session

WHEELHOUSE = str(Path(sys.executable).with_name("wheelhouse"))
BASE = os.environ.get("BASE", "python:3.13-slim")


@pytest.fixture
async def session() -> AsyncIterator[Session]:
    """Give a session in this process, without progress."""
    silent = SilentProgress(sys.stderr)
    async with Session.open(environ=dict(os.environ), workdir=Path.cwd(), progress=silent) as opened:
        yield opened


@pytest.fixture
def program(tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Return a function that starts a dagger-io program under `wheelhouse run`."""

    def start(body: str, *args: str, **environ: str) -> subprocess.Popen[str]:
        path = tmp_path / "program.py"
        lines = "\n".join(f"        {line}" for line in body.strip().splitlines())
        path.write_text(
            "import sys, anyio, dagger\nfrom dagger import dag\n"
            f"BASE = {BASE!r}\n"
            f"async def main():\n    async with dagger.connection():\n{lines}\nanyio.run(main)\n"
        )
        return subprocess.Popen(
            [WHEELHOUSE, "--engine=embedded", "run", sys.executable, str(path), *args],
            env=os.environ | environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start
