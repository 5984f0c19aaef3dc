"""Results appear whole or not at all."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from wheelhouse_engine.files import write_file
from wheelhouse_engine.listing import entries, glob
from wheelhouse_engine.staging import STAGING_PREFIX, remove_tree, staged, sweep, write_whole

ALL = ["a/", "a/b/", "a/b/two.md", "a/one.txt", "empty/", "top.txt"]


def test_read_only_trees_are_removed(as_nobody: Callable[[Callable[[Path], None]], None]) -> None:
    """A folder nobody may write to is removed all the same; a missing one is fine."""

    def remove_twice(folder: Path) -> None:
        write_file(folder, "r/o/deep/file", b"")
        (folder / "r/o/deep").chmod(0o500)
        (folder / "r/o").chmod(0o500)
        (folder / "r").chmod(0)
        remove_tree(folder / "r")
        remove_tree(folder / "r")

        assert entries(folder) == []

    as_nobody(remove_twice)


def test_removing_a_link_tree_leaves_the_target(tree: Path, tmp_path: Path) -> None:
    """A link to a folder is removed as a link."""
    (tmp_path / "link").symlink_to(tree)
    remove_tree(tmp_path / "link")

    assert glob(tree, "**") == ALL


def test_failed_work_leaves_nothing(tmp_path: Path) -> None:
    """A block that fails leaves neither the result nor its beginnings."""

    def fail() -> None:
        with staged(tmp_path / "final") as here:
            here.mkdir()
            here.mkdir()

    with pytest.raises(FileExistsError):
        fail()

    assert entries(tmp_path) == []


def test_whole_files_replace_whole_files(tmp_path: Path) -> None:
    """A replaced file has the new content and no remains beside it."""
    write_whole(tmp_path / "f", b"old")
    write_whole(tmp_path / "f", b"new")

    assert (tmp_path / "f").read_bytes() == b"new"
    assert entries(tmp_path) == ["f"]


def test_remains_of_a_killed_process_are_swept(tmp_path: Path) -> None:
    """Old unfinished work goes; young work, and what is finished, stays."""
    for name in (f"{STAGING_PREFIX}old", f"{STAGING_PREFIX}young", "finished"):
        write_file(tmp_path, f"{name}/f", b"")
    for name in (f"{STAGING_PREFIX}old", "finished"):
        os.utime(tmp_path / name, (0, 0))

    assert sweep(tmp_path) == 1
    assert entries(tmp_path) == [f"{STAGING_PREFIX}young/", "finished/"]
