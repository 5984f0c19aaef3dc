"""Searching answers as ripgrep does."""

from pathlib import Path

import pytest

from wheelhouse_engine.files import write_file
from wheelhouse_engine.searching import Search, search


def found(root: Path, **wanted: object) -> list[tuple[str, int]]:
    """Give path and line of each search result."""
    return [(each.file_path, each.line_number) for each in search(root, Search(**wanted))]  # type: ignore[arg-type]


def test_search_tells_file_line_offset_and_matches(dest: Path) -> None:
    """A result has the line, its byte offset and byte positions of the matches."""
    write_file(dest, "d/f", "é\nxé two two\nend".encode())
    (result,) = search(dest, Search(pattern="two", literal=True))

    assert (result.file_path, result.line_number, result.absolute_offset) == ("d/f", 2, 3)
    assert result.matched_lines == "xé two two\n"
    assert [(each.text, each.start, each.end) for each in result.submatches] == [
        ("two", 4, 7),
        ("two", 8, 11),
    ]


def test_search_options(tree: Path) -> None:
    """Case, plain text, paths, globs, hidden and ignored files, limit."""
    write_file(tree, ".hidden", b"two\n")
    write_file(tree, ".ignore", b"*.md\n")
    write_file(tree, "c.txt", b"TWO\nt.o\ntwo\n")

    assert found(tree, pattern="t.o") == [(".hidden", 1), ("a/b/two.md", 1), ("c.txt", 2), ("c.txt", 3)]
    assert found(tree, pattern="t.o", literal=True) == [("c.txt", 2)]
    assert found(tree, pattern="TWO", insensitive=True, globs=("*.txt",)) == [("c.txt", 1), ("c.txt", 3)]
    assert found(tree, pattern="two", paths=("a",)) == [("a/b/two.md", 1)]
    assert found(tree, pattern="two", skip_hidden=True, skip_ignored=True) == [("c.txt", 3)]
    assert found(tree, pattern="two", globs=("!*.txt",), limit=1) == [(".hidden", 1)]
    assert found(tree, pattern="t.o", files_only=True) == [(".hidden", 0), ("a/b/two.md", 0), ("c.txt", 0)]
    assert found(tree, pattern="two", globs=("!*.{txt,md}",)) == [(".hidden", 1)]
    assert found(tree, pattern="nothing|^$") == []


def test_search_across_lines(dest: Path) -> None:
    """A match may span lines only when asked."""
    write_file(dest, "f", b"zero\none\ntwo\nthree\n")

    assert found(dest, pattern="one.two", dotall=True) == []
    (result,) = search(dest, Search(pattern="one\\ntwo", multiline=True))
    assert (result.line_number, result.matched_lines) == (2, "one\ntwo\n")
    assert found(dest, pattern="one.two", multiline=True) == []
    assert found(dest, pattern="one.two", multiline=True, dotall=True) == [("f", 2)]


def test_search_leaves_out_binary_files(dest: Path) -> None:
    """A file with NUL bytes, and a line that is no UTF-8, is left out."""
    write_file(dest, "bin", b"two\0")
    write_file(dest, "latin", b"two \xff\ntwo\n")

    assert found(dest, pattern="two") == [("latin", 2)]


@pytest.mark.parametrize(
    ("wanted", "problem"),
    [
        (Search(pattern="("), "regex parse error"),
        (Search(pattern="a\\n"), "search with multiline"),
        (Search(pattern="a", globs=("!",)), "parsing glob"),
        (Search(pattern="a", paths=("../x",)), "cannot escape"),
    ],
)
def test_bad_search_is_refused(tree: Path, wanted: Search, problem: str) -> None:
    """A malformed expression or an escaping path is an error."""
    with pytest.raises(ValueError, match=problem):
        search(tree, wanted)
