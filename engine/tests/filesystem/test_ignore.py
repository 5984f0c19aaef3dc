"""The embedded engine chooses files as a Dagger engine does."""

import os
from pathlib import Path
from typing import Any

import pytest

from wheelhouse_engine.ignore import Filter, host_filter, select
from wheelhouse_engine.patterns import Pattern, PatternList


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Give the tree of the conformance cases."""
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/one.txt").write_text("one")
    (tmp_path / "a/b/two.md").write_text("two\n")
    (tmp_path / "top.txt").write_text("top")
    (tmp_path / "empty").mkdir()
    return tmp_path


def listed(root: Path, wanted: Filter, top: Path | None = None) -> list[str]:
    """Give the selected paths, folders with a slash."""
    return [entry.path + "/" * entry.is_directory for entry in select(root, wanted, top=top)]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Filter(), ["a/", "a/b/", "a/b/two.md", "a/one.txt", "empty/", "top.txt"]),
        (Filter(include=("**/*.txt",)), ["a/", "a/one.txt", "top.txt"]),
        (Filter(exclude=("a/b", "*.txt")), ["a/", "a/one.txt", "empty/"]),
        (Filter(exclude=("**", "!a/one.txt")), ["a/", "a/one.txt"]),
        (Filter(include=("a/**",)), ["a/", "a/b/", "a/b/two.md", "a/one.txt"]),
        (Filter(include=("a",)), ["a/", "a/b/", "a/b/two.md", "a/one.txt"]),
        (Filter(include=("a/",), exclude=("a/b",)), ["a/", "a/one.txt"]),
        (Filter(include=("nothing",)), []),
        (Filter(include=("**/two.md",)), ["a/", "a/b/", "a/b/two.md"]),
        (Filter(include=("a/b/[^x]wo.md",)), ["a/", "a/b/", "a/b/two.md"]),
        (Filter(include=("a[^x]b",)), ["a/", "a/b/", "a/b/two.md"]),
        (Filter(exclude=("*",)), []),
        (Filter(include=("empty",)), ["empty/"]),
        (Filter(include=("", "  ", "top.txt")), ["top.txt"]),
        (Filter(exclude=("a/b", "!a")), ["a/", "a/one.txt", "empty/", "top.txt"]),
        (Filter(exclude=("a", "!a/b")), ["a/", "a/b/", "a/b/two.md", "empty/", "top.txt"]),
    ],
)
def test_selection_is_what_a_dagger_engine_selects(tree: Path, wanted: Filter, expected: list[str]) -> None:
    """Include, exclude and "!" select the same entries in the same order."""
    assert expected == listed(tree, wanted)


def test_gitignore_files_decide(tree: Path) -> None:
    """A .gitignore leaves out what it names, itself it stays."""
    (tree / ".gitignore").write_text("*.md\n/empty\n")

    assert listed(tree, Filter(gitignore=True)) == [".gitignore", "a/", "a/b/", "a/one.txt", "top.txt"]


def test_nested_gitignore_counts_below_its_folder_only(tree: Path) -> None:
    """A nested .gitignore rules its own folder and no other."""
    (tree / "a/.gitignore").write_text("*.txt\n")

    found = listed(tree, Filter(gitignore=True))

    assert found == ["a/", "a/.gitignore", "a/b/", "a/b/two.md", "empty/", "top.txt"]


def test_later_gitignore_rule_takes_back_below_an_ignored_folder(tree: Path) -> None:
    """As on Dagger (not git), "!a/one.txt" works although "a/" is ignored."""
    (tree / ".gitignore").write_text("a/\n!a/one.txt\n.gitignore\n")

    assert listed(tree, Filter(gitignore=True)) == ["a/", "a/one.txt", "empty/", "top.txt"]


def test_gitignore_of_a_parent_counts_from_the_top(tree: Path) -> None:
    """Rules of parents up to `top` apply to a folder inside."""
    (tree / ".gitignore").write_text("a/b\n")

    assert listed(tree / "a", Filter(gitignore=True), top=tree) == ["one.txt"]
    assert listed(tree / "a", Filter(gitignore=True)) == ["b/", "b/two.md", "one.txt"]


def test_malformed_gitignore_lines_count_for_nothing(tree: Path) -> None:
    """A line that is no pattern is skipped, as git does."""
    (tree / ".gitignore").write_text("!\n# comment\n\n*.txt\n")

    found = listed(tree, Filter(gitignore=True))

    assert found == [".gitignore", "a/", "a/b/", "a/b/two.md", "empty/"]


@pytest.mark.parametrize(
    "wanted", [Filter(exclude=("a/b",)), Filter(include=("a/one.txt", "*.txt")), Filter(gitignore=True)]
)
def test_unwanted_folder_is_not_entered(tree: Path, wanted: Filter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing below a folder is read when no rule could want it."""
    (tree / ".gitignore").write_text("/a/b\n!/c/b/x\n")
    read: list[str] = []
    real = os.scandir

    def recording(path: str) -> Any:
        read.append(path)
        return real(path)

    monkeypatch.setattr(os, "scandir", recording)
    listed(tree, wanted)

    assert str(tree / "a") in read
    assert str(tree / "a/b") not in read


def test_loops_of_links_are_no_loops_of_the_walk(tree: Path) -> None:
    """A link to itself is one entry."""
    (tree / "loop").symlink_to("loop")

    assert listed(tree, Filter(include=("loop",))) == ["loop"]


def test_links_to_folders_are_not_followed(tree: Path) -> None:
    """A link to a folder is one entry."""
    (tree / "link").symlink_to("/")

    assert "link" in listed(tree, Filter())


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("*", "a", True),
        ("*", "a/b", False),
        ("**", "a/b", True),
        ("**/b", "b", True),
        ("**/b", "a/b", True),
        ("**/b", "ab", False),
        ("**b", "ab", True),
        ("a/**", "a", False),
        ("a/**", "a/b/c", True),
        ("a/**/c", "a/c", True),
        ("a/**/c", "a/b/c", True),
        ("a/**/*.py", "a/x/y.py", True),
        ("?.py", "a.py", True),
        ("?.py", "/.py", False),
        ("[a-c].py", "b.py", True),
        ("[^a-c].py", "b.py", False),
        ("[[].py", "[.py", True),
        (r"\*.py", "*.py", True),
        (r"\*.py", "a.py", False),
        ("a.py", "axpy", False),
        ("a+(b)|c{2}$", "a+(b)|c{2}$", True),
        ("./a/./b/", "a/b", True),
        ("a\nb", "a\nb", True),
        ("*", "a\nb", True),
        ("é*", "éa", True),
    ],
)
def test_pattern_matches_as_moby_patterns_do(pattern: str, path: str, *, expected: bool) -> None:
    """One pattern matches whole paths: "*" stops at "/", "**" does not."""
    parsed = Pattern.parse(pattern)

    assert parsed is not None
    assert expected is bool(parsed.regex.fullmatch(path))


@pytest.mark.parametrize("pattern", ["[", "a[b", "a\\", "!"])
def test_malformed_pattern_is_refused(pattern: str) -> None:
    """A malformed pattern is an error, not a pattern that matches nothing."""
    with pytest.raises(ValueError, match="pattern"):
        PatternList.parse([pattern])


def test_host_filter_drops_patterns_that_leave_the_folder() -> None:
    """Absolute and ".." patterns do not count for a host folder; "." is all."""
    wanted = host_filter(Filter(include=("/etc", "../x", "a/../b", "."), exclude=("!./c", "!../c")))

    assert Filter(include=("b", "*"), exclude=("!c",)) == wanted


def test_names_that_are_no_utf8_are_walked(tmp_path: Path) -> None:
    """Bytes that are no UTF-8 come as surrogates, in byte order."""
    for name in (b"\xff", "é".encode(), b"z"):
        Path(tmp_path / name.decode(errors="surrogateescape")).touch()

    assert listed(tmp_path, Filter(include=("*",))) == ["z", "é", "\udcff"]
