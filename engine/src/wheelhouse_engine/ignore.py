"""Choose the entries of a folder by include, exclude and .gitignore rules."""
# ruff: noqa: PTH123
# Strings on purpose: pathlib costs more than the system calls here.

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

from wheelhouse_engine.patterns import PathMatch, PatternList


@dataclass(frozen=True, slots=True)
class Filter:
    """What of a folder is wanted."""

    include: tuple[str, ...] = ()
    """Only what matches; empty means everything."""
    exclude: tuple[str, ...] = ()
    """Not what matches; "!pattern" takes paths back in."""
    gitignore: bool = False
    """Whether .gitignore files decide too."""


class Entry(NamedTuple):
    """One file, folder, link or device below the walked folder."""

    path: str
    """Relative, "/" between names; bytes that are no UTF-8 are surrogate-escaped."""
    stat: os.stat_result
    """As lstat gives it."""

    @property
    def is_directory(self) -> bool:
        """Tell a real folder from all else (a link to a folder is a link)."""
        return stat.S_ISDIR(self.stat.st_mode)


def host_filter(wanted: Filter) -> Filter:
    """Read a filter as Dagger does for a host folder.

    Patterns that are absolute or lead out of the folder are dropped, "."
    means "*".
    """
    return Filter(_local(wanted.include), _local(wanted.exclude), wanted.gitignore)


def select(
    root: Path,
    wanted: Filter,
    *,
    top: Path | None = None,
    rule_files: tuple[str, ...] = (".gitignore",),
) -> Iterator[Entry]:
    """Walk `root` and give the wanted entries, folders before what they hold.

    Names are in byte order within each folder. A folder that is not wanted
    itself comes only when something below it is. `top` (`root` or one of its
    parents) is where .gitignore files begin to count; `rule_files` are other
    names of such files, the weightiest last. Links are not followed.

    As on Dagger (not git) a "!" rule takes paths back in below an ignored
    folder too; .gitignore files inside ignored folders do not count.

    Raises:
        ValueError: a malformed pattern.
        OSError: a folder or a .gitignore file that cannot be read.

    """
    walk = _Walk(
        os.fspath(root),
        PatternList.parse(wanted.include),
        PatternList.parse(wanted.exclude),
        rule_files,
    )
    rules = _rules_above(root, top, rule_files) if wanted.gitignore else None
    yield from walk.folder("", _State(rules=rules))


class _Rule(NamedTuple):
    """One line of a .gitignore file."""

    base: str
    """Folder of the file with a trailing "/", relative to the walked root, or ""."""
    prefix: str
    """What to put before a path so that it is relative to a file above the root."""
    ignores: bool
    matches: Callable[[str], object]
    fixed: str
    """Literal folder part of a rule that takes paths back in; "" may match anywhere."""


@dataclass(frozen=True, slots=True)
class _State:
    """What a folder hands to its children."""

    include: PathMatch = ()
    exclude: PathMatch = ()
    rules: tuple[_Rule, ...] | None = None
    pending: tuple[Entry, ...] = ()


@dataclass(slots=True)
class _Walk:
    root: str
    include: PatternList
    exclude: PatternList
    rule_files: tuple[str, ...]
    emitted: set[str] = field(default_factory=set)

    def folder(self, path: str, state: _State) -> Iterator[Entry]:
        """Give the wanted entries below one folder."""
        here = f"{self.root}/{path}" if path else self.root
        rules = state.rules
        if rules is not None:
            base = f"{path}/" if path else ""
            for name in self.rule_files:
                rules += _read_rules(f"{here}/{name}", base, "")
        with os.scandir(here) as found:
            children = sorted(found, key=lambda child: os.fsencode(child.name))
        for child in children:
            entry = Entry(f"{path}/{child.name}" if path else child.name, child.stat(follow_symlinks=False))
            yield from self.entry(entry, state, rules)

    def entry(self, entry: Entry, state: _State, rules: tuple[_Rule, ...] | None) -> Iterator[Entry]:
        """Give one entry and what is below it, as far as wanted."""
        wanted, included = self.include.match(entry.path, state.include)
        wanted = wanted or not self.include.patterns
        excluded, left_out = self.exclude.match(entry.path, state.exclude)
        ignored = bool(rules) and _ignored(rules or (), entry)
        chosen = wanted and not excluded and not ignored
        if chosen:
            yield from self.parents(state.pending)
            yield entry
        if not entry.is_directory or self.pruned(
            entry.path, wanted=wanted, excluded=excluded, rules=rules if ignored else None
        ):
            return
        pending = () if chosen else (*state.pending, entry)
        yield from self.folder(entry.path, _State(included, left_out, rules, pending))

    def parents(self, pending: tuple[Entry, ...]) -> Iterator[Entry]:
        """Give unwanted folders once, now that something below is wanted."""
        for folder in pending:
            if folder.path not in self.emitted:
                self.emitted.add(folder.path)
                yield folder

    def pruned(self, path: str, *, wanted: bool, excluded: bool, rules: tuple[_Rule, ...] | None) -> bool:
        """Tell that nothing below a folder can be wanted."""
        if not wanted and not self.include.may_select_below(path, negated=False):
            return True
        if excluded and not self.exclude.may_select_below(path, negated=True):
            return True
        return rules is not None and not _may_take_back(rules, path)


def _local(patterns: tuple[str, ...]) -> tuple[str, ...]:
    kept: list[str] = []
    for pattern in patterns:
        sign, body = ("!", pattern[1:]) if pattern.startswith("!") else ("", pattern)
        clean = os.path.normpath(body)
        if not body or clean == ".." or clean.startswith(("/", "../")):
            continue
        kept.append(sign + ("*" if clean == "." else clean))
    return tuple(kept)


def _rules_above(root: Path, top: Path | None, rule_files: tuple[str, ...]) -> tuple[_Rule, ...]:
    """Read the .gitignore files from `top` down to the parent of `root`."""
    if top is None or top == root:
        return ()
    below = root.relative_to(top).parts
    folders = [top.joinpath(*below[:depth]) for depth in range(len(below))]
    return tuple(
        rule
        for depth, folder in enumerate(folders)
        for name in rule_files
        for rule in _read_rules(f"{folder}/{name}", "", "/".join(below[depth:]) + "/")
    )


def _read_rules(path: str, base: str, prefix: str) -> tuple[_Rule, ...]:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            lines = [line.strip() for line in file]
    except (FileNotFoundError, IsADirectoryError):
        return ()
    return tuple(
        _Rule(base, prefix, bool(rule.include), rule.regex.search, _fixed_folder(line))
        for line in lines
        if line and not line.startswith("#")
        for rule in parse_rule(line)
        if rule.regex is not None
    )


@lru_cache(maxsize=4096)
def parse_rule(line: str) -> tuple[GitIgnoreSpecPattern, ...]:
    """Read one .gitignore line; nothing if it is no pattern, as in git."""
    try:
        return (GitIgnoreSpecPattern(line),)
    except ValueError:
        return ()


def _fixed_folder(line: str) -> str:
    """Give the literal folder of a rule: "a/b" of "!/a/b/*.c", "" of "!*.c"."""
    parts = line.removeprefix("!").rstrip("/").split("/")
    if len(parts) == 1:
        return ""
    parts = parts[1:] if not parts[0] else parts
    literal: list[str] = []
    for part in parts:
        if set(part) & set("*?[\\"):
            break
        literal.append(part)
    return "/".join(literal)


def _ignored(rules: tuple[_Rule, ...], entry: Entry) -> bool:
    """Let the last rule that matches decide."""
    mark = "/" if entry.is_directory else ""
    for rule in reversed(rules):
        if not entry.path.startswith(rule.base):
            continue
        if rule.matches(f"{rule.prefix}{entry.path[len(rule.base) :]}{mark}"):
            return rule.ignores
    return False


def _may_take_back(rules: tuple[_Rule, ...], folder: str) -> bool:
    """Tell whether a "!" rule could match inside an ignored folder."""
    for rule in rules:
        if rule.ignores or not (folder + "/").startswith(rule.base):
            continue
        inside = f"{rule.prefix}{folder[len(rule.base) :]}/"
        fixed = rule.fixed + "/"
        if not rule.fixed or inside.startswith(fixed) or fixed.startswith(inside):
            return True
    return False
