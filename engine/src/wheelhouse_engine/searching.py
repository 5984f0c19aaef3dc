"""Search file contents as `Directory.search` does."""

import bisect
import os
import posixpath
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from wheelhouse_engine.ignore import Filter, parse_rule, select
from wheelhouse_engine.paths import normalise, resolve

_BINARY_PROBE_BYTES: Final = 8192
"""A NUL byte among the first bytes marks a binary file."""

_LINE_PART: Final = re.compile(r"[\^$\n]|\\[nrsWDSB]|\(\?[a-z]*s")
"""What in an expression may match a line end or look at one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What to look for and where."""

    pattern: str
    """A regular expression, or plain text if `literal`."""
    paths: tuple[str, ...] = ()
    """Files and folders to look in; empty means all."""
    globs: tuple[str, ...] = ()
    """Only files that match; "!glob" leaves out; the last that matches decides."""
    literal: bool = False
    """Whether `pattern` is plain text."""
    multiline: bool = False
    """Whether a match may span lines."""
    dotall: bool = False
    """Whether "." matches a line end too (with `multiline`)."""
    insensitive: bool = False
    """Whether case does not count."""
    skip_ignored: bool = False
    """Whether .gitignore (in a git repository), .ignore and .rgignore files count."""
    skip_hidden: bool = False
    """Whether names that begin with "." are left out."""
    files_only: bool = False
    """Whether only file paths are wanted: one result per file, the rest empty."""
    limit: int | None = None
    """Stop after so many results; None means all. Without effect on `files_only`."""


@dataclass(frozen=True, slots=True)
class SearchSubmatch:
    """One match inside the matched lines."""

    text: str
    """The matched text."""
    start: int
    """Byte offset in the matched lines."""
    end: int
    """Byte offset after the match."""


@dataclass(frozen=True, slots=True)
class SearchResult:
    """One line (or several, with `multiline`) that matched."""

    file_path: str
    """Relative to the searched folder."""
    line_number: int
    """First matched line, from 1; 0 with `files_only`."""
    absolute_offset: int
    """Byte offset of that line in the file."""
    matched_lines: str
    """Whole lines with their line ends."""
    submatches: tuple[SearchSubmatch, ...]
    """In order."""


def search(root: Path, wanted: Search) -> list[SearchResult]:
    """Search the files below `root`, in path order.

    Binary files, links and lines that are no UTF-8 are left out.

    Raises:
        ValueError: a malformed pattern or glob, or a path that leads out.
        FileNotFoundError: one of `paths` does not exist.

    """
    expression = _expression(wanted)
    results: list[SearchResult] = []
    for path in sorted(_candidates(root, wanted), key=lambda each: os.fsencode(each).split(b"/")):
        content = (root / path).read_bytes()
        if b"\0" in content[:_BINARY_PROBE_BYTES]:
            continue
        results.extend(_results(path, content, expression, wanted))
        if wanted.limit is not None and not wanted.files_only and len(results) >= wanted.limit:
            return results[: wanted.limit]
    return results


def _expression(wanted: Search) -> re.Pattern[str]:
    if not wanted.multiline and re.search(
        r"\n" if wanted.literal else r"\n|(?<!\\)(?:\\\\)*\\n", wanted.pattern
    ):
        raise ValueError("ripgrep error: a line end is not allowed in the pattern; search with multiline")
    flags = re.MULTILINE
    flags |= re.IGNORECASE if wanted.insensitive else 0
    flags |= re.DOTALL if wanted.dotall and wanted.multiline else 0
    text = re.escape(wanted.pattern) if wanted.literal else wanted.pattern
    try:
        return re.compile(text, flags)
    except re.error as problem:
        raise ValueError(f"ripgrep error: regex parse error: {wanted.pattern!r}: {problem}") from problem


def _candidates(root: Path, wanted: Search) -> Iterator[str]:
    """Give the files to look in, each once.

    A file named in `paths` is looked in whatever the other rules say. As for
    ripgrep .gitignore counts only in a git repository, .ignore and .rgignore
    always.
    """
    starts = [_start(root, path) for path in wanted.paths]
    named = {start for start in starts if (root / start).is_file()}
    yield from named
    globs = [(not glob.startswith("!"), rule) for glob in wanted.globs for rule in _glob_rule(glob)]
    names = ((".gitignore",) if (root / ".git").exists() else ()) + (".ignore", ".rgignore")
    for entry in select(root, Filter(gitignore=wanted.skip_ignored), rule_files=names):
        if not stat.S_ISREG(entry.stat.st_mode) or entry.path in named:
            continue
        if starts and not any(_within(entry.path, start) for start in starts):
            continue
        if wanted.skip_hidden and any(part.startswith(".") for part in entry.path.split("/")):
            continue
        if _globbed(entry.path, globs):
            yield entry.path


def _glob_rule(glob: str) -> list[re.Pattern[str]]:
    """Read a glob: a .gitignore pattern that may hold {a,b}."""
    lines = _alternatives(glob.removeprefix("!"))
    found = [rule.regex for line in lines for rule in parse_rule(line) if rule.regex is not None]
    if not found:
        raise ValueError(f"ripgrep error: error parsing glob {glob!r}")
    return found


def _alternatives(glob: str) -> list[str]:
    """Write out innermost braces first: "*.{a,b}" -> "*.a", "*.b"."""
    braces = re.search(r"\{([^{}]*)\}", glob)
    if not braces:
        return [glob]
    head, tail = glob[: braces.start()], glob[braces.end() :]
    return [line for each in braces[1].split(",") for line in _alternatives(head + each + tail)]


def _globbed(path: str, globs: list[tuple[bool, re.Pattern[str]]]) -> bool:
    """Let the last glob that matches decide; without one all but wanted files."""
    for wanted, rule in reversed(globs):
        if rule.search(path):
            return wanted
    return not any(wanted for wanted, _ in globs)


def _start(root: Path, path: str) -> str:
    clean = posixpath.normpath(path.lstrip("/") or ".")
    if clean == ".." or clean.startswith("../"):
        raise ValueError(f"path cannot escape directory: {path}")
    here = resolve(root, clean)
    if not here.exists():
        raise FileNotFoundError(2, "No such file or directory", path)
    return normalise(os.fspath(here.relative_to(root))).lstrip("/")


def _within(path: str, start: str) -> bool:
    return not start or path == start or path.startswith(start + "/")


def _results(
    path: str, content: bytes, expression: re.Pattern[str], wanted: Search
) -> Iterator[SearchResult]:
    text = content.decode(errors="surrogateescape")
    spans = _spans(text, expression, multiline=wanted.multiline)
    if wanted.files_only:
        yield from (SearchResult(path, 0, 0, "", ()) for _ in spans[:1])
        return
    starts = [0, *(found.end() for found in re.finditer("\n", text)), len(text)]
    offset = counted = 0
    for first, last, matches in _by_lines(spans, starts, reach=_spans_lines(wanted)):
        begin, lines = starts[first], text[starts[first] : starts[last + 1]]
        offset, counted = offset + _bytes(text[counted:begin]), begin
        if not lines.isascii() and re.search("[\udc80-\udcff]", lines):
            continue
        submatches = tuple(
            SearchSubmatch(text[one:two], _bytes(text[begin:one]), _bytes(text[begin:two]))
            for one, two in matches
        )
        yield SearchResult(path, first + 1, offset, lines, submatches)


def _bytes(text: str) -> int:
    return len(text.encode(errors="surrogateescape"))


def _spans(text: str, expression: re.Pattern[str], *, multiline: bool) -> list[tuple[int, int]]:
    """Give all matches; without `multiline` none crosses a line end."""
    if multiline:
        return [found.span() for found in expression.finditer(text) if found.start() < len(text)]
    at = 0
    spans: list[tuple[int, int]] = []
    for line in text.removesuffix("\n").split("\n") if text else ():
        spans += [(at + found.start(), at + found.end()) for found in expression.finditer(line)]
        at += len(line) + 1
    return spans


def _spans_lines(wanted: Search) -> bool:
    """Tell whether the pattern could match a line end or an edge of a line."""
    if not wanted.multiline or wanted.literal:
        return wanted.multiline and "\n" in wanted.pattern
    return bool(_LINE_PART.search(wanted.pattern)) or (wanted.dotall and "." in wanted.pattern)


def _by_lines(
    spans: list[tuple[int, int]], starts: list[int], *, reach: bool
) -> Iterator[tuple[int, int, list[tuple[int, int]]]]:
    """Group matches by the lines they touch: first line, last line, spans.

    With `reach` matches on neighbouring lines form one group, as ripgrep
    reports them for patterns that may span lines.
    """
    group: list[tuple[int, int]] = []
    first = last = -1
    for begin, end in spans:
        line = min(bisect.bisect_right(starts, begin), len(starts) - 1) - 1
        if group and line > last + reach:
            yield first, last, group
            group = []
        first = first if group else line
        last = max(bisect.bisect_left(starts, end), line + 1) - 1
        group.append((begin, end))
    if group:
        yield first, last, group
