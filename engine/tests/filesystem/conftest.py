"""Folders and clocks for tests of the engine's files."""

import os
import shutil
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from wheelhouse_engine.files import make_directory, write_file
from wheelhouse_engine.hashindex import RACY_NS
from wheelhouse_engine.hostsync import HostSync

NOBODY = 65534
"""A user with no rights of its own."""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Give the tree of the conformance cases."""
    root = tmp_path / "tree"
    root.mkdir()
    write_file(root, "a/one.txt", b"one")
    write_file(root, "a/b/two.md", b"two\n")
    write_file(root, "top.txt", b"top", 0o600)
    make_directory(root, "empty", 0o700)
    return root


@pytest.fixture
def dest(tmp_path: Path) -> Path:
    """Give an empty folder."""
    (tmp_path / "dest").mkdir()
    return tmp_path / "dest"


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """Give a host folder with a few files."""
    root = tmp_path / "host"
    root.mkdir()
    write_file(root, "a/one.txt", b"one")
    write_file(root, "top.txt", b"top", 0o600)
    (root / "empty").mkdir(mode=0o700)
    return root


@pytest.fixture
def store(tmp_path: Path) -> HostSync:
    """Give a sync into an empty store."""
    return HostSync(tmp_path / "trees", tmp_path / "index")


@pytest.fixture
def settled_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every file look as if it had changed long ago."""
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + 10 * RACY_NS)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record the host files that are opened."""
    opened: list[str] = []
    real = os.open

    def recording(path: str, *rest: int) -> int:
        opened.append(os.path.basename(path))  # noqa: PTH119
        return real(path, *rest)

    monkeypatch.setattr(os, "open", recording)
    return opened


@pytest.fixture
def as_nobody() -> Iterator[Callable[[Callable[[Path], None]], None]]:
    """Give a way to run a function, on a folder of its own, without root's rights."""
    folder = Path(tempfile.mkdtemp(prefix="nobody-"))

    def run(act: Callable[[Path], None]) -> None:
        if os.geteuid() != 0:
            act(folder)
            return
        os.chown(folder, NOBODY, NOBODY)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                os.setgid(NOBODY)
                os.setuid(NOBODY)
                act(folder)
                status = 0
            except BaseException:  # noqa: BLE001 - told by the exit status
                traceback.print_exc()
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0

    yield run
    shutil.rmtree(folder)
