"""Differences, change lists and digests are Dagger's."""

import os
from pathlib import Path

import pytest

from wheelhouse_engine.comparing import changes, diff, tree_digest
from wheelhouse_engine.copying import Copying, clone, copy_tree
from wheelhouse_engine.files import make_directory, make_symlink, remove, set_times, write_file
from wheelhouse_engine.listing import glob


def test_diff_holds_what_is_new_or_changed(tree: Path, tmp_path: Path, dest: Path) -> None:
    """New and changed files with their parents; removed ones leave no trace."""
    copy_tree(tree, tmp_path, "/upper", Copying(link=False))
    write_file(tmp_path, "upper/new", b"n")
    write_file(tmp_path, "upper/top.txt", b"pot")
    remove(tmp_path, "upper/empty")
    (tmp_path / "upper/a/b/two.md").chmod(0o755)
    diff(tree, tmp_path / "upper", dest)

    assert glob(dest, "**") == ["a/", "a/b/", "a/b/two.md", "new", "top.txt"]


def test_diff_sees_times_of_files(tree: Path, tmp_path: Path, dest: Path) -> None:
    """A file of equal content and another time differs, a folder does not."""
    copy_tree(tree, tmp_path, "/upper", Copying(link=False))
    os.utime(tmp_path / "upper" / "top.txt", (1, 1))
    os.utime(tmp_path / "upper" / "a", (1, 1))
    diff(tree, tmp_path / "upper", dest)

    assert glob(dest, "**") == ["top.txt"]


def test_changes_are_told_as_dagger_tells_them(tree: Path, tmp_path: Path) -> None:
    """Added, modified and removed paths; a removed folder stands for its content."""
    clone(tree, tmp_path / "after")
    write_file(tmp_path, "after/new", b"n")
    write_file(tmp_path, "after/dir/in", b"n")
    remove(tmp_path, "after/top.txt")
    remove(tmp_path, "after/a/b")
    write_file(tmp_path, "after/a/one.txt", b"eno")
    found = changes(tree, tmp_path / "after")

    assert found.added == ("dir/", "dir/in", "new")
    assert found.modified == ("a/one.txt",)
    assert found.removed == ("a/b/", "top.txt")
    assert found.all_removed == ("a/b/", "a/b/two.md", "top.txt")
    assert not found.is_empty


def test_changes_see_the_executable_bit_and_no_other_mode(tree: Path, tmp_path: Path) -> None:
    """As git: 0600 to 0644 is no change, 0644 to 0755 is."""
    copy_tree(tree, tmp_path, "/after", Copying(link=False))
    (tmp_path / "after/top.txt").chmod(0o644)
    (tmp_path / "after/a/one.txt").chmod(0o755)

    assert changes(tree, tmp_path / "after").modified == ("a/one.txt",)


def test_changed_kind_is_removed_and_added(tree: Path, tmp_path: Path) -> None:
    """A file that became a folder is gone as one and new as the other."""
    clone(tree, tmp_path / "after")
    remove(tmp_path, "after/top.txt")
    make_directory(tmp_path, "after/top.txt")
    found = changes(tree, tmp_path / "after")

    assert (found.added, found.modified, found.removed) == (("top.txt/",), (), ("top.txt",))


def test_folders_alone_are_no_changes(tree: Path, tmp_path: Path) -> None:
    """A change list of empty folders counts as empty, as in git."""
    clone(tree, tmp_path / "after")
    make_directory(tmp_path, "after/only")
    found = changes(tree, tmp_path / "after")

    assert found.added == ("only/",)
    assert found.is_empty


def test_digest_is_of_content_not_of_times(tree: Path, tmp_path: Path) -> None:
    """Equal trees have equal digests whenever they were made."""
    copy_tree(tree, tmp_path, "/copy", Copying(link=False))
    set_times(tmp_path / "copy", 1)

    assert tree_digest(tmp_path / "copy") == tree_digest(tree)


@pytest.mark.parametrize("change", ["content", "mode", "name", "link", "empty folder"])
def test_digest_sees_every_change(tree: Path, change: str) -> None:
    """Content, mode, names, link targets and empty folders count."""
    make_symlink(tree, "one", "link")
    before = tree_digest(tree)
    if change == "content":
        (tree / "top.txt").write_text("toq")
    elif change == "mode":
        (tree / "top.txt").chmod(0o644)
    elif change == "name":
        (tree / "top.txt").rename(tree / "top2.txt")
    elif change == "link":
        (tree / "link").unlink()
        make_symlink(tree, "two", "link")
    else:
        make_directory(tree, "more")

    assert tree_digest(tree) != before
