"""Files are written, removed and re-owned as Dagger does."""

import os
from pathlib import Path

import pytest

from wheelhouse_engine.copying import Copying
from wheelhouse_engine.files import (
    make_directory,
    make_symlink,
    remove,
    replace_file,
    set_owner,
    set_times,
    write_file,
)
from wheelhouse_engine.listing import entries, glob

ALL = ["a/", "a/b/", "a/b/two.md", "a/one.txt", "empty/", "top.txt"]

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="owners and devices need root")


def modes(root: Path) -> dict[str, str]:
    """Give the mode of every path as octal text."""
    return {path: f"{(root / path).lstat().st_mode & 0o7777:o}" for path in glob(root, "**")}


def test_new_file_has_dagger_modes(dest: Path) -> None:
    """A new file is 0644, its parents 0755, whatever the umask."""
    before = os.umask(0o077)
    try:
        write_file(dest, "x/y.txt", b"c")
    finally:
        os.umask(before)

    assert modes(dest) == {"x/": "755", "x/y.txt": "644"}


@as_root
def test_owner_is_the_files_not_its_parents(dest: Path) -> None:
    """An owner given for a file leaves the folders made for it to root."""
    replace_file(dest, "x/y.txt", b"c", Copying(owner=(1001, 1002), mode=0o755))
    found = [(dest / path).stat() for path in ("x", "x/y.txt")]

    assert [(each.st_uid, each.st_gid) for each in found] == [(0, 0), (1001, 1002)]


def test_write_keeps_the_mode_of_an_existing_file(tree: Path) -> None:
    """`Directory.withNewFile` over a file keeps its mode; the container's does not."""
    write_file(tree, "top.txt", b"new", 0o644)
    kept = modes(tree)["top.txt"]
    replace_file(tree, "top.txt", b"new")

    assert (kept, modes(tree)["top.txt"]) == ("600", "644")


def test_write_goes_through_a_link_and_replace_does_not(tree: Path) -> None:
    """A write follows a last link inside the root; a replacement takes its place."""
    make_symlink(tree, "/top.txt", "link")
    write_file(tree, "link", b"through")
    replace_file(tree, "link", b"instead")

    assert (tree / "top.txt").read_bytes() == b"through"
    assert (tree / "link").read_bytes() == b"instead"
    assert not (tree / "link").is_symlink()


def test_write_to_a_folder_is_refused(tree: Path) -> None:
    """A folder is not turned into a file by a write."""
    with pytest.raises(IsADirectoryError):
        write_file(tree, "a", b"")


def test_write_outside_lands_inside(dest: Path) -> None:
    """Path "../x" is "x", "/abs/x" is "abs/x"."""
    write_file(dest, "../x", b"1")
    write_file(dest, "/abs/x", b"1")

    assert glob(dest, "**") == ["abs/", "abs/x", "x"]


def test_too_long_name_is_refused(dest: Path) -> None:
    """A name over 255 bytes is an error that says so."""
    with pytest.raises(OSError, match="exceeds the maximum supported 255"):
        write_file(dest, "é" * 128, b"1")


def test_new_directory_gives_its_mode_to_missing_parents(dest: Path) -> None:
    """Parents made for a new folder get its mode, existing ones keep theirs."""
    make_directory(dest, "kept")
    make_directory(dest, "kept/p/q", 0o700)

    assert modes(dest) == {"kept/": "755", "kept/p/": "700", "kept/p/q/": "700"}


def test_new_directory_outside_is_refused(dest: Path) -> None:
    """A folder outside its parent is an error."""
    with pytest.raises(ValueError, match="outside parent"):
        make_directory(dest, "../x")


def test_removed_paths_are_gone(tree: Path) -> None:
    """Files and folders are removed by path."""
    assert remove(tree, "top.txt")
    assert remove(tree, "/a/b")
    assert glob(tree, "**") == ["a/", "a/one.txt", "empty/"]


def test_removing_what_is_missing_is_no_error(tree: Path) -> None:
    """A missing path changes nothing and is told."""
    assert not remove(tree, "nope")
    assert glob(tree, "**") == ALL


def test_wildcards_remove_all_that_match(tree: Path) -> None:
    """A star stops at a slash; without wildcards allowed it is a name."""
    write_file(tree, "*", b"")
    assert remove(tree, "*", allow_wildcard=False)
    assert remove(tree, "a/*.txt")
    assert not remove(tree, "*.md")
    assert glob(tree, "**") == ["a/", "a/b/", "a/b/two.md", "empty/", "top.txt"]


def test_removing_a_link_leaves_its_target(tree: Path) -> None:
    """A link is removed, what it leads to stays."""
    make_symlink(tree, "a", "link")
    remove(tree, "link")

    assert glob(tree, "**") == ALL


def test_removing_the_root_empties_it(tree: Path) -> None:
    """Without anything left the folder itself remains."""
    remove(tree, "/")

    assert entries(tree) == []


def test_times_reach_everything(tree: Path) -> None:
    """Every file and folder, and the folder itself, gets the time; a link keeps its own."""
    make_symlink(tree, "/nowhere", "link")
    os.utime(tree / "link", (5, 5), follow_symlinks=False)
    set_times(tree, 1_000_000_000)
    times = {(tree / path).lstat().st_mtime for path in [*ALL, ""]}

    assert times == {1_000_000_000}
    assert (tree / "link").lstat().st_mtime == 5


@as_root
def test_owner_reaches_everything_below(tree: Path) -> None:
    """A folder is given away with all below it, a link itself and not its target."""
    make_symlink(tree, "../top.txt", "a/link")
    set_owner(tree, "a", (7, 8))
    owned = {path for path in glob(tree, "**") if (tree / path).lstat().st_gid == 8}

    assert owned == {"a/", "a/b/", "a/b/two.md", "a/link", "a/one.txt"}
