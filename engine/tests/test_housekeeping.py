"""When the store is pruned by itself, and how far."""

import os
import time
from pathlib import Path

import pytest

from wheelhouse_engine.errors import StoreError
from wheelhouse_engine.housekeeping import PAUSE_S, Limits, Measured, last_measured, tidy
from wheelhouse_engine.store import Store

MB = 10**6


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Give a store with ten trees of one megabyte; tree 0 is unused for longest."""
    opened = Store.open({"WHEELHOUSE_STORE": str(tmp_path)})
    for number in range(10):
        with opened.scratch("s") as scratch:
            (scratch / "tree").mkdir()
            (scratch / "tree" / "f").write_bytes(os.urandom(MB))
            opened.keep_tree(scratch / "tree", f"tree{number}")
        opened.used(f"tree{number}")
        used = time.time() - 10**6 + number
        os.utime(opened.root / "uses" / f"tree{number}", (used, used))
    return opened


def held(store: Store) -> list[str]:
    """Return the names of the trees that are there."""
    return sorted(path.name for path in store.trees.iterdir())


def test_store_within_its_limits_is_left_alone(store: Store) -> None:
    """Nothing is removed, and the store is not measured again before the disk lost space."""
    assert tidy(store, Limits(10**15, 0)) == ""
    assert last_measured(store) is None
    assert len(held(store)) == 10


def test_store_over_its_limit_loses_what_was_unused_for_longest(store: Store) -> None:
    """It is pruned below the limit, so that the next session does not meet it again, and says so."""
    said = tidy(store, Limits(8 * MB, 0))

    assert "removed" in said
    assert "WHEELHOUSE_KEEP_STORAGE" in said
    assert held(store) == [f"tree{number}" for number in range(4, 10)]
    note = last_measured(store)
    assert note is not None
    assert note.held <= 8 * MB * 0.8


def test_disk_that_gets_full_prunes_down_to_what_is_reserved(store: Store) -> None:
    """Whoever fills the disk: what is reserved stays, so that the store is still worth having."""
    tidy(store, Limits(0, 10**18, reserved_bytes=3 * MB + 50_000))

    assert held(store) == ["tree7", "tree8", "tree9"]


def test_running_session_keeps_what_it_used(store: Store) -> None:
    """Nothing that was used since the oldest running session began is removed."""
    stat = Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]
    (store.root / "sessions" / "one").write_text(f'{{"pid": {os.getpid()}, "started": "{stat}"}}')
    store.used("tree0")

    tidy(store, Limits(1, 0))

    assert held(store) == ["tree0"]


def test_store_that_cannot_shrink_is_not_measured_each_time(store: Store) -> None:
    """When there was nothing to remove, the next look comes after a pause."""
    limits, now = Limits(0, 10**18, reserved_bytes=100 * MB), time.time()
    assert tidy(store, limits, now) == ""
    first = last_measured(store)
    assert first is not None

    tidy(store, limits, now + PAUSE_S / 2)
    assert last_measured(store) == first
    tidy(store, limits, now + PAUSE_S * 2)
    assert last_measured(store) != first


def test_damaged_note_counts_as_none(store: Store) -> None:
    """A torn note is no error: the store is measured when it may be too large."""
    (store.root / "measured.json").write_text('{"held": ')

    assert tidy(store, Limits(8 * MB, 0))


def test_growth_is_guessed_from_the_disk() -> None:
    """What the disk lost since the store was measured may all be the store's."""
    assert Measured(held=10, free=100, when=0).largest(free=60) == 50
    assert Measured(held=10, free=100, when=0).largest(free=900) == 10


def test_limits_are_read_from_the_environment(tmp_path: Path) -> None:
    """Sizes are as for `prune --keep-storage`; what is none is named with its variable."""
    given = {"WHEELHOUSE_KEEP_STORAGE": "3GB", "WHEELHOUSE_MIN_FREE": "0"}

    assert Limits.of(given, tmp_path) == Limits(3 * 10**9, 0)
    assert Limits.of({}, tmp_path).keep_bytes > 0
    with pytest.raises(StoreError, match="WHEELHOUSE_MIN_FREE"):
        Limits.of({"WHEELHOUSE_MIN_FREE": "much"}, tmp_path)
