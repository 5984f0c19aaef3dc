"""A full disk is named: the store's, the output's, or that of temporary files."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import dagger
import pytest
from dagger import dag

from stores import connected, unmounted
from wheelhouse_engine.archives import load_layout
from wheelhouse_engine.diskspace import no_space, readable
from wheelhouse_engine.errors import StoreError
from wheelhouse_engine.layers import Storage
from wheelhouse_engine.references import Reference
from wheelhouse_engine.registry import Registry
from wheelhouse_engine.runner import Completed, RecordingRunner

MEGABYTE = 10**6
MODULE = """
from dagger import function, object_type

@object_type
class M:
    @function
    def f(self) -> str:
        return "x"
"""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[str, int], Path]]:
    """Return a function that gives a folder on a disk of some megabytes."""
    if os.geteuid() != 0:
        pytest.skip("mounting a disk needs root")
    made: list[Path] = []

    def mounted(name: str, megabytes: int) -> Path:
        place = tmp_path / name
        place.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(place)], check=True)
        made.append(place)
        return place

    yield mounted
    for place in made:
        subprocess.run(["umount", "-l", str(place)], check=True)


async def test_a_store_that_is_full_before_is_named(disk) -> None:
    """A session does not begin on a full disk."""
    small = disk("small", 3)

    with pytest.raises(StoreError, match=f"no space left for the store {small}/v1 .*wheelhouse prune"):
        async with connected(small):
            pass


@pytest.mark.parametrize("kind", ["file", "directory"])
async def test_an_output_that_fills_is_named(disk, tmp_path, kind) -> None:
    """An export to a full disk names the output, not the store."""
    target = disk("out", 2) / "written"
    with unmounted(tmp_path / "store"):
        async with connected(tmp_path / "store"):
            directory = dag.directory().with_new_file("f", "x" * 5 * MEGABYTE)
            export = directory.file("f").export if kind == "file" else directory.export
            with pytest.raises(dagger.QueryError, match=f"no space left for the output {target}") as caught:
                await export(str(target))

    assert "larger disk" in str(caught.value)
    assert not [one for one in target.parent.iterdir() if one.name.endswith(".tmp")]


def test_a_command_without_space_has_one_sentence(disk, tmp_path) -> None:
    """`wheelhouse call` with a full store ends with 1, a sentence, and no traceback."""
    module = tmp_path / "module"
    module.mkdir()
    (module / "dagger.json").write_text('{"name": "m", "sdk": "python"}')
    lines = (
        "import dagger",
        "@dagger.object_type",
        "class M:",
        "    @dagger.function",
        "    def f(self) -> str:",
    )
    (module / "main.py").write_text("\n".join((*lines, "        return 'x'", "")))
    small = disk("small", 1)
    (small / "ballast").write_bytes(bytes(1 << 20))
    command = [sys.executable, "-m", "wheelhouse_engine", "--engine=embedded", "call", "-m", str(module), "f"]

    done = subprocess.run(
        command,
        env=os.environ | {"WHEELHOUSE_STORE": str(small)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert f"no space left for the store {small}/v1" in done.stderr
    assert "Traceback" not in done.stderr


SAID = 'msg="writing blob: write {place}/storage123/1: no space left on device"'


@pytest.mark.parametrize(
    ("place", "named"), [("/dev/shm/x", "temporary files in /dev/shm/x"), ("", "the store")]
)
async def test_a_tool_that_meets_a_full_disk_is_no_fault_of_a_registry(tmp_path, place, named) -> None:
    """A pull and a load that cannot be written name the disk of the path that the tool names."""
    said = SAID.format(place=place or tmp_path / "storage").encode()
    runner = RecordingRunner({("skopeo",): Completed(1, b"", said)})
    storage = Storage(tmp_path / "storage", tmp_path / "run")
    registry = Registry(runner, storage, {}, first_wait_s=0)

    async def answers(_reference: Reference) -> None:
        """Let the registry answer."""

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Registry, "_expect_answer", lambda _self, reference: answers(reference))
        for work in (
            registry.pull(Reference.parse("127.0.0.1:1/a"), "linux/amd64"),
            load_layout(runner, storage, tmp_path, "0" * 64),
        ):
            with pytest.raises(StoreError, match=f"no space left for {named}"):
                await work
    assert len(runner.calls) == 2


def test_without_a_path_the_fullest_disk_is_named(disk, tmp_path) -> None:
    """The system does not say which disk a write met: it is the one with the least space."""
    full = disk("full", 1)
    (full / "ballast").write_bytes(bytes(1 << 20))
    error = OSError(28, "No space left on device")

    assert f"for the output {full}/x" in str(readable(error, tmp_path, full / "x"))
    assert f"for the store {full}" in str(readable(error, full, tmp_path / "x"))
    assert f"for the store {full}" in str(no_space(full, tmp_path / "x"))
