"""Locks between processes never hold up what else a process does."""

import asyncio
import os
import sys

import pytest

from wheelhouse_engine.progress import SilentProgress
from wheelhouse_engine.session import Session
from wheelhouse_engine.store import Store

LIMIT_S = 60
"""Far more than any of this takes, also on a busy machine."""


async def test_a_session_that_waits_for_a_prune_can_be_cancelled(tmp_path):
    """While another process prunes the store, a session that opens waits, and Ctrl-C still ends it."""
    environ = {**os.environ, "WHEELHOUSE_STORE": str(tmp_path / "store")}
    store = Store.open(environ)

    async def opened() -> None:
        async with Session.open(environ=environ, workdir=tmp_path, progress=SilentProgress(sys.stderr)):
            pass

    with store.exclusive("prune"):
        opening = asyncio.create_task(opened())
        async with asyncio.timeout(LIMIT_S):
            while not list((store.root / "sessions").iterdir()):  # noqa: ASYNC110 - a file of another task
                await asyncio.sleep(0.01)
        assert not opening.done()
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening

    assert list((store.root / "sessions").iterdir()) == []
