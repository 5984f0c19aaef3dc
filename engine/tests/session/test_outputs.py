"""What execs and services write is masked as a whole and kept in bounds."""

import asyncio
import os
import shutil
import sys

import dagger
import pytest
from dagger import dag

from stores import tiny, unmounted
from wheelhouse_engine import capturing, tails
from wheelhouse_engine.progress import SilentProgress
from wheelhouse_engine.session import Session

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(shutil.which("buildah") is None or os.geteuid() != 0, reason="needs buildah and root"),
]
LIMIT_S = 240
"""Far more than any of this takes, also on a busy machine."""


class Heard(SilentProgress):
    """Progress that keeps what processes wrote."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)
        self.text = ""
        self.grown = asyncio.Event()

    def output(self, _key: str, _stream: str, text: str) -> None:
        """Keep a piece."""
        self.text += text
        self.grown.set()

    async def wait_for(self, text: str) -> None:
        """Wait until something was written."""
        async with asyncio.timeout(LIMIT_S):
            while text not in self.text:
                self.grown.clear()
                await self.grown.wait()


async def test_a_secret_that_a_service_writes_in_pieces_is_masked(tmp_path, monkeypatch) -> None:
    """A value that arrives in two chunks is masked; one that the service was not given is not."""
    environ = {**os.environ, "WHEELHOUSE_STORE": str(tmp_path / "store"), "FOREIGN": "other-value"}
    heard = Heard()
    pause = "head -c 99000000 /dev/zero > /dev/null"
    script = f"printf canary-; {pause}; echo value; echo other-value; echo end; {pause}; {pause}"
    with unmounted(tmp_path / "store"):
        async with Session.open(environ=environ, workdir=tmp_path, progress=heard) as session:
            monkeypatch.setenv("DAGGER_SESSION_PORT", str(session.port))
            monkeypatch.setenv("DAGGER_SESSION_TOKEN", session.token)
            async with dagger.connection():
                base = tiny()
                foreign = dag.secret("env://FOREIGN")
                await base.with_secret_variable("X", foreign).with_exec(["/bin/sh", "-c", ":"]).sync()
                service = base.with_secret_variable("S", dag.set_secret("s", "canary-value"))
                await service.as_service(args=["/bin/sh", "-c", script]).start()
                await heard.wait_for("end\n")

    assert heard.text == "***\nother-value\nend\n"


async def test_an_endless_output_is_kept_in_bounds(tmp_path, monkeypatch) -> None:
    """Stdout is the end of what was written, the redirected file all of it."""
    monkeypatch.setattr(capturing, "Tail", lambda: tails.Tail(100))
    environ = {**os.environ, "WHEELHOUSE_STORE": str(tmp_path / "store")}
    with unmounted(tmp_path / "store"):
        silent = SilentProgress(sys.stderr)
        async with Session.open(environ=environ, workdir=tmp_path, progress=silent) as session:
            monkeypatch.setenv("DAGGER_SESSION_PORT", str(session.port))
            monkeypatch.setenv("DAGGER_SESSION_TOKEN", session.token)
            async with dagger.connection():
                done = tiny().with_exec(["/usr/bin/head", "-c", "5000", "/dev/zero"], redirect_stdout="/all")
                size = await done.file("/all").size()
                kept = await done.stdout()

    assert size == 5000
    assert kept == "[omitting 4900 bytes]..." + "\0" * 76
