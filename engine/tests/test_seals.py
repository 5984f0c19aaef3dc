"""What a seal notices, and who may make it."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from wheelhouse_engine.seals import Seals


@pytest.fixture
def thing(tmp_path: Path) -> Path:
    """Give a folder with a file, a folder and a link."""
    folder = tmp_path / "thing"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "file").write_text("content")
    (folder / "link").symlink_to("inner/file")
    return folder


def test_unchanged_folder_is_intact(tmp_path: Path, thing: Path) -> None:
    """Reading and linking a folder's files break no seal; the first look makes one."""
    seals = Seals(tmp_path / "seals")
    assert seals.intact("t", thing)
    (thing / "inner" / "file").read_text()
    (tmp_path / "other").hardlink_to(thing / "inner" / "file")

    assert seals.intact("t", thing)


@pytest.mark.parametrize("change", ["content", "truncated", "mode", "removed", "added", "gone"])
def test_change_breaks_the_seal(tmp_path: Path, thing: Path, change: str) -> None:
    """Another size, time, mode, name, or nothing at all is noticed."""
    seals, file = Seals(tmp_path / "seals"), thing / "inner" / "file"
    seals.put("t", thing)
    match change:
        case "content":
            file.write_text("CONTENT")
        case "truncated":
            os.truncate(file, 3)
        case "mode":
            file.chmod(0o600)
        case "removed":
            file.unlink()
        case "added":
            (thing / "more").touch()
        case _:
            thing = tmp_path / "nothing"

    assert not seals.intact("t", thing)


def test_many_may_seal_one_thing_at_once(tmp_path: Path, thing: Path) -> None:
    """Threads and processes that look at one layer first, all at once, do not disturb each other."""
    seals = Seals(tmp_path / "seals")

    def look(_number: int) -> bool:
        seals.put("t", thing)
        return seals.intact("t", thing)

    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(look, range(200)))

    assert all(found)
    assert [path.name for path in (tmp_path / "seals").iterdir()] == ["t"]


def test_sweep_forgets_what_is_gone(tmp_path: Path, thing: Path) -> None:
    """Only the seals of what is held stay."""
    seals = Seals(tmp_path / "seals")
    seals.put("kept", thing)
    seals.put("gone", thing)

    seals.sweep({"kept"})

    assert [path.name for path in (tmp_path / "seals").iterdir()] == ["kept"]
