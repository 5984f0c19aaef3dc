"""What pruning removes and what it leaves."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from wheelhouse_engine.progress import SilentProgress
from wheelhouse_engine.session import Session
from wheelhouse_engine.store import Store

pytestmark = pytest.mark.engine

TREE = '{ directory { withNewFile(path: "f", contents: "%s") { file(path: "f") { size } } } }'
IMAGE = '{ container { withNewFile(path: "/f", contents: "%s") { file(path: "/f") { contents } } } }'
LONG_AGO_S = 10**6


@pytest.fixture
def environ(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Give an environment with an empty store of its own."""
    yield {**os.environ, "WHEELHOUSE_STORE": str(tmp_path / "store")}
    # the overlay driver mounts its folder on itself; while mounted, the folder cannot be removed
    for point in (tmp_path / "store").glob("*/storage/overlay"):
        subprocess.run(["umount", str(point)], check=False, capture_output=True)


async def ask(environ: dict[str, str], *queries: str) -> None:
    """Ask queries in one session and end it."""
    silent = SilentProgress(sys.stderr)
    async with Session.open(environ=environ, workdir=Path.cwd(), progress=silent) as session:
        for query in queries:
            await session.query(query)


def age(store: Store) -> None:
    """Make everything look unused for long."""
    long_ago = time.time() - LONG_AGO_S
    for path in (store.root / "uses").iterdir():
        os.utime(path, (long_ago, long_ago))
    for path in (store.root / "records").rglob("*.json"):
        os.utime(path, (long_ago, long_ago))


async def test_prune_removes_trees_and_images_and_the_next_run_makes_them_again(
    environ: dict[str, str],
) -> None:
    """With nothing to keep and nobody there, all goes; the same questions then get the same answers."""
    await ask(environ, TREE % ("t" * 100_000), IMAGE % ("i" * 100_000))
    store = Store.open(environ)
    assert any(store.trees.iterdir())

    freed = store.prune(0)

    assert freed >= 200_000
    assert list(store.trees.iterdir()) == []
    assert json.loads((store.storage / "overlay-images" / "images.json").read_text()) == []
    await ask(environ, TREE % ("t" * 100_000), IMAGE % ("i" * 100_000))


async def test_prune_keeps_what_was_used_last(environ: dict[str, str]) -> None:
    """Down to a size, the longest unused goes first."""
    await ask(environ, TREE % ("a" * 500_000))
    store = Store.open(environ)
    age(store)
    old = {path.name for path in store.trees.iterdir()}
    await ask(environ, TREE % ("b" * 400_000))

    store.prune(600_000)

    left = {path.name for path in store.trees.iterdir()}
    assert left
    assert sum(path.stat().st_size for path in store.trees.rglob("f")) == 400_000
    assert old - left


async def test_prune_leaves_what_a_running_session_may_use(environ: dict[str, str]) -> None:
    """While a session runs, what it has used stays, and what was unused before goes."""
    await ask(environ, TREE % ("old" * 50_000))
    store = Store.open(environ)
    age(store)
    silent = SilentProgress(sys.stderr)
    async with Session.open(environ=environ, workdir=Path.cwd(), progress=silent) as session:
        await session.query(TREE % "used")

        store.prune(0)

        held = [path.read_text() for path in store.trees.rglob("f")]
        assert held == ["used"]


async def test_prune_does_nothing_when_the_clock_was_moved_back(environ: dict[str, str]) -> None:
    """A session from the future makes it unknown what is in use: nothing is removed."""
    silent = SilentProgress(sys.stderr)
    async with Session.open(environ=environ, workdir=Path.cwd(), progress=silent) as session:
        await session.query(TREE % "x")
        store = Store.open(environ)
        age(store)
        for path in (store.root / "sessions").iterdir():
            os.utime(path, (time.time() + 3600, time.time() + 3600))

        assert store.prune(0) == 0
        assert list(store.trees.rglob("f"))


async def test_missing_tree_is_made_again(environ: dict[str, str]) -> None:
    """A tree that somebody removed is rebuilt by the next session that needs it."""
    await ask(environ, TREE % "again")
    store = Store.open(environ)
    for tree in store.trees.iterdir():
        shutil.rmtree(tree)

    await ask(environ, TREE % "again")

    assert [path.read_text() for path in store.trees.rglob("f")] == ["again"]


async def test_lock_files_of_dead_processes_do_not_block(environ: dict[str, str]) -> None:
    """A lock is held by a process, not by its file: files left behind stop nobody."""
    store = Store.open(environ)
    (store.root / "locks" / "prune").touch()
    (store.root / "locks" / "tree-empty").touch()

    await ask(environ, TREE % "x")

    assert [path.read_text() for path in store.trees.rglob("f")] == ["x"]
    age(store)
    assert store.prune(0) > 0
    assert not list(store.trees.rglob("f"))
