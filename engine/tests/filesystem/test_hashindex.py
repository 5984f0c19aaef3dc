"""What a sync remembers of a host folder never hides a change."""

import json
import os
import time
from pathlib import Path

import pytest

from wheelhouse_engine.hashindex import RACY_NS, HashIndex, settled
from wheelhouse_engine.hostsync import HostSync
from wheelhouse_engine.ignore import Filter
from wheelhouse_engine.listing import entries
from wheelhouse_engine.staging import STAGING_PREFIX

ALL = Filter()
LONG_AGO_NS = 10 * RACY_NS


@pytest.mark.parametrize(
    ("hashed_after_s", "expected"), [(-3600, False), (0, False), (1.9, False), (2.1, True)]
)
def test_file_is_settled_two_seconds_after_its_change(
    host: Path, hashed_after_s: float, *, expected: bool
) -> None:
    """A hash taken right after a change, or by a clock that went back, is not kept."""
    state = (host / "top.txt").stat()

    assert settled(state, state.st_ctime_ns + int(hashed_after_s * 1e9)) is expected


def test_change_right_after_a_sync_is_seen(host: Path, store: HostSync) -> None:
    """A file changed within the clock's coarseness is read again, same size or not."""
    keys = set()
    for number in range(20):
        (host / "top.txt").write_bytes(b"%03d" % number)
        os.utime(host / "top.txt", ns=(0, 0))
        keys.add(store.sync(host, ALL))

    assert len(keys) == 20


@pytest.mark.usefixtures("settled_clock")
def test_change_that_hides_its_time_is_seen(host: Path, store: HostSync) -> None:
    """Same size and same mtime do not hide a change."""
    before = (host / "top.txt").stat()
    first = store.sync(host, ALL)
    (host / "top.txt").write_bytes(b"pot")
    os.utime(host / "top.txt", ns=(before.st_atime_ns, before.st_mtime_ns))

    assert store.sync(host, ALL) != first


def test_clock_that_went_back_makes_everything_read(
    host: Path, store: HostSync, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was remembered in the future is not trusted, nor files from the future."""
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + LONG_AGO_NS)
    store.sync(host, ALL)
    monkeypatch.setattr(time, "time_ns", now)
    reads.clear()
    store.sync(host, ALL)
    monkeypatch.setattr(time, "time_ns", lambda: now() - 10**18)
    store.sync(host, ALL)

    assert reads.count("top.txt") == 2


@pytest.mark.usefixtures("settled_clock")
@pytest.mark.parametrize(
    "damage", [b"", b"\0\xff", b"{}", b"0" * 64 + b"\n{}", b"[1]\n[1]", "flip", "format"]
)
def test_damaged_index_is_ignored(host: Path, store: HostSync, damage: bytes | str) -> None:
    """An index that is empty, foreign, flipped or of another format costs a read, no more."""
    first = store.sync(host, ALL)
    (index,) = store.index.iterdir()
    content = index.read_bytes()
    if damage == "flip":
        index.write_bytes(content.replace(b"top.txt", b"toq.txt"))
    elif damage == "format":
        index.write_bytes(content.replace(b'"format":1', b'"format":0'))
    else:
        index.write_bytes(bytes(damage) if isinstance(damage, bytes) else b"")

    assert HashIndex.load(index).files == {}
    assert store.sync(host, ALL) == first


@pytest.mark.usefixtures("settled_clock")
def test_lying_index_cannot_poison_the_store(host: Path, store: HostSync) -> None:
    """A wrong hash in a well-formed index is found when the file is copied."""
    first = store.sync(host, ALL)
    (index,) = store.index.iterdir()
    loaded = HashIndex.load(index)
    mark, _ = loaded.files["top.txt"]
    HashIndex("", {**loaded.files, "top.txt": (mark, "0" * 64)}).save(index)

    assert store.sync(host, ALL) == first
    assert entries(store.trees) == [f"{first}/"]


def test_index_is_plain_json(host: Path, store: HostSync) -> None:
    """The index can be read by eye: a checksum line, then JSON."""
    key = store.sync(host, ALL)
    (index,) = store.index.iterdir()

    assert not index.name.startswith(STAGING_PREFIX)
    assert json.loads(index.read_bytes().partition(b"\n")[2])["key"] == key
