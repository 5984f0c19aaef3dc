"""Folders are listed and described as Dagger does."""

import os
from pathlib import Path

import pytest

from wheelhouse_engine.files import make_symlink, write_file
from wheelhouse_engine.listing import FileType, entries, glob, stat

ALL = ["a/", "a/b/", "a/b/two.md", "a/one.txt", "empty/", "top.txt"]


def test_entries_are_sorted_with_slashes(tree: Path) -> None:
    """Folders end in "/", links to folders do not."""
    make_symlink(tree, "a", "link")

    assert entries(tree) == ["a/", "empty/", "link", "top.txt"]
    assert entries(tree, "a") == ["b/", "one.txt"]
    assert entries(tree, "link") == ["b/", "one.txt"]


def test_entries_of_a_missing_folder_name_it(tree: Path) -> None:
    """The error names the container path, not the host's."""
    with pytest.raises(FileNotFoundError, match="'zzz'"):
        entries(tree, "zzz")


def test_entries_keep_odd_names(dest: Path) -> None:
    """Quotes, spaces, backslashes, newlines and 255 bytes are names."""
    names = ["a b.txt", "a\nb", "back\\slash", 'd"q', "q'uote", "x" * 255, "é.txt", "名.txt"]
    for name in names:
        write_file(dest, name, b"1")

    assert entries(dest) == sorted(names, key=os.fsencode)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*", ["a/", "empty/", "top.txt"]),
        ("**", ALL),
        ("**/*.md", ["a/b/two.md"]),
        ("a", ["a/"]),
        ("a/*", ["a/b/", "a/one.txt"]),
        ("a/**", ["a/b/", "a/b/two.md", "a/one.txt"]),
        ("nope*", []),
        ("!a", []),
    ],
)
def test_glob_gives_matching_paths(tree: Path, pattern: str, expected: list[str]) -> None:
    """A glob lists the paths that match, folders with a slash."""
    assert glob(tree, pattern) == expected


def test_stat_tells_what_dagger_tells(tree: Path) -> None:
    """Size, permission bits, kind and name; links followed or not."""
    make_symlink(tree, "top.txt", "link")
    found = stat(tree, "link")

    assert (found.size, oct(found.permissions), found.file_type) == (3, "0o600", FileType.REGULAR)
    assert stat(tree, "link", follow_last=False).file_type is FileType.SYMLINK
    assert stat(tree, "a").file_type is FileType.DIRECTORY
    with pytest.raises(FileNotFoundError, match="'zz'"):
        stat(tree, "zz")
