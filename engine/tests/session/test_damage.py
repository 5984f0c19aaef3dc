"""What happens when the store is damaged or full, and when a container cannot be started."""

import asyncio
import itertools
import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import dagger
import pytest
from dagger import ReturnType, dag

from stores import connected, tiny, unmounted
from wheelhouse_engine.errors import StoreError
from wheelhouse_engine.layerstack import INDEXES
from wheelhouse_engine.store import Store

pytestmark = pytest.mark.engine

DRAW = ["/bin/cat", "/proc/sys/kernel/random/uuid"]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Give the folder of an empty store."""
    with unmounted(tmp_path / "store") as store:
        yield store


async def build() -> str:
    """Write a file in a container and read it, from the container and from a directory of its own."""
    made = tiny().with_exec(["/bin/sh", "-c", "echo kept > /made"])
    copied = dag.directory().with_file("copy", made.file("/made"))
    return await made.file("/made").contents() + await copied.file("copy").contents()


def overwrite(store: Path) -> None:
    """Write over the file of a tree and over the file of a layer that was copied into it."""
    for path in [*Store(store / "v1").trees.glob("*/copy"), *layers(store).glob("*/diff/made")]:
        path.write_text("torn!")


def remove(store: Path) -> None:
    """Remove the file of a layer, and the tree that has a copy of it."""
    for path in [*Store(store / "v1").trees.glob("*/copy"), *layers(store).glob("*/diff/made")]:
        path.unlink()


def empty_the_base(store: Path) -> None:
    """Truncate a program in the layer below; the layer above has to be made again, too."""
    for path in layers(store).glob("*/diff/bin/head"):
        path.write_bytes(b"")
    remove(store)


def tear_records(store: Path) -> None:
    """Tear the records, each in another way."""
    texts = itertools.cycle(["", "{ torn", "[]", '{"image": 1}', '{"image": "gone", "mounts": 3}'])
    for path, text in zip(sorted((store / "v1" / "records").rglob("*.json")), texts, strict=False):
        path.write_text(text)


def layers(store: Path) -> Path:
    """Return the folder of the stored layers."""
    return store / "v1" / "storage" / "overlay"


async def test_whatever_is_damaged_is_made_again(folder: Path) -> None:
    """Changed, missing or torn files of trees, layers and records are noticed, and nobody is told less."""
    for damage in (lambda _: None, overwrite, remove, empty_the_base, tear_records):
        damage(folder)
        async with connected(folder):
            assert await build() == "kept\nkept\n"


async def test_images_whose_index_is_torn_are_made_again(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A torn index of the storage costs all images, says so, and never one that a session still uses."""
    for name in INDEXES:
        async with connected(folder):
            assert await build() == "kept\nkept\n"
            (folder / "v1" / "storage" / name).write_text('[{"id": "to')
            with pytest.raises(StoreError, match=f"{name}.* End the other sessions"):
                async with connected(folder):
                    pass

    async with connected(folder):
        assert await build() == "kept\nkept\n"
    assert capsys.readouterr().err.count("images are made again") == len(INDEXES)


async def test_clock_moved_back_changes_no_answer(folder: Path) -> None:
    """What the store holds from the future is used as it is, and new things are made beside it."""
    async with connected(folder):
        drawn = await tiny().with_exec(DRAW).stdout()
    later = time.time() + 10**6
    for path in (folder / "v1").glob("[rus]*/**/*"):
        if path.is_file():
            os.utime(path, (later, later))

    async with connected(folder):
        assert await tiny().with_exec(DRAW).stdout() == drawn
        assert await tiny().with_new_file("/new", "").with_exec(DRAW).stdout() != drawn


async def test_container_that_cannot_start_is_no_answer(folder: Path) -> None:
    """A process that never began is an error of the engine, whatever was expected, and is not kept."""
    async with connected(folder):
        torn = tiny().with_mounted_temp("/bin/sh/below").with_exec(DRAW, expect=ReturnType.ANY)
        with pytest.raises(dagger.QueryError, match="/bin/sh") as caught:
            await torn.exit_code()

    assert "/dev/shm" not in str(caught.value)
    records = (folder / "v1" / "records").rglob("*.json")
    assert not [path for path in records if "result" in json.loads(path.read_text())]


async def test_missing_command_is_the_same_error_with_and_without_init(folder: Path) -> None:
    """A command that is not there ends with 1 and says so, whatever process 1 is."""
    async with connected(folder):
        for no_init in (False, True):
            with pytest.raises(dagger.ExecError) as caught:
                await tiny().with_exec(["nope"], no_init=no_init).sync()
            assert caught.value.exit_code == 1
            assert caught.value.stderr == 'exec: "nope": executable file not found in $PATH'


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """Give the folder of a store on a disk of 40 MB."""
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", str(place)], check=True)
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


async def test_disk_that_fills_while_buildah_works_is_one_sentence(small: Path) -> None:
    """An exec, and a commit, that meet a full disk say what to do; with space again the same run works."""

    def filled(megabytes: int) -> dagger.Container:
        return tiny().with_exec(["/bin/sh", "-c", f"head -c {megabytes}000000 /dev/zero > /big"])

    async with connected(small):
        for megabytes in (20, 100):
            with pytest.raises((dagger.QueryError, dagger.ExecError)) as caught:
                await filled(megabytes).with_exec(["/bin/cat", "/dev/null"]).sync()
            said = f"{caught.value} {getattr(caught.value, 'stderr', '')}".lower()
            assert "no space left" in said
            assert "wheelhouse prune" in said
    await asyncio.to_thread(subprocess.run, ["mount", "-o", "remount,size=400m", str(small)], check=True)
    async with connected(small):
        assert await filled(20).file("/big").size() == 20_000_000
    index = json.loads((small / "v1/storage/overlay-containers/containers.json").read_text())
    assert index == []
