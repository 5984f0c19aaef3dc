"""What a session leaves mounted: nothing."""

import os
import sys
from pathlib import Path

import pytest

from wheelhouse_engine.mounting import mounts_below
from wheelhouse_engine.progress import SilentProgress
from wheelhouse_engine.runner import ProcessRunner
from wheelhouse_engine.session import Session

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(os.geteuid() != 0, reason="mounting a folder needs root"),
]


async def test_a_mount_of_the_storage_goes_with_the_last_session(tmp_path: Path) -> None:
    """Skopeo leaves storage's folder mounted on itself; another session that still runs keeps it."""
    environ, silent = {**os.environ, "WHEELHOUSE_STORE": str(tmp_path)}, SilentProgress(sys.stderr)
    async with Session.open(environ=environ, workdir=tmp_path, progress=silent) as first:
        folder = first.store.storage / "overlay"
        folder.mkdir(exist_ok=True)
        async with Session.open(environ=environ, workdir=tmp_path, progress=silent):
            await ProcessRunner().run(["mount", "--bind", str(folder), str(folder)])
        assert mounts_below(tmp_path) == [folder]

    assert mounts_below(tmp_path) == []
    assert folder.is_dir()
