"""Include and exclude patterns with the meaning Dagger gives them."""

import posixpath
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

PathMatch = tuple[bool, ...]
"""For each pattern of a list: whether it matched a path or one of its parents."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """One cleaned pattern."""

    text: str
    """The pattern without its "!"."""
    negated: bool
    """Whether it began with "!"."""
    regex: re.Pattern[str]
    """Matches a whole path relative to the filtered folder."""
    fixed: str
    """The leading components without a wildcard: "a/b" of "a/b/*.py"."""

    @classmethod
    def parse(cls, text: str) -> "Pattern | None":
        """Read one pattern; None for a blank one.

        Raises:
            ValueError: a lone "!", an unclosed "[" or a trailing backslash.

        """
        text = text.strip()
        if not text:
            return None
        text = _clean(text)
        negated = text.startswith("!")
        if negated and len(text) == 1:
            raise ValueError('illegal exclusion pattern: "!"')
        text = text[1:] if negated else text
        return cls(text, negated, _compile(text), _fixed_part(text))

    def may_match_below(self, folder: str) -> bool:
        """Tell whether a path inside `folder` could match (never wrongly no)."""
        deep = "**" in self.text or "[" in self.text
        if self.fixed == self.text or (not deep and self.text.count("/") <= folder.count("/")):
            return self.text.startswith(folder + "/")
        return (
            not self.fixed
            or (folder + "/").startswith(self.fixed + "/")
            or self.fixed.startswith(folder + "/")
        )


@dataclass(frozen=True, slots=True)
class PatternList:
    """An ordered pattern list: a later "!" takes back what matched before."""

    patterns: tuple[Pattern, ...]
    """In the order given; blank ones left out."""

    @classmethod
    def parse(cls, texts: Iterable[str]) -> "PatternList":
        """Read patterns in order.

        Raises:
            ValueError: as `Pattern.parse`.

        """
        return cls(tuple(found for found in map(Pattern.parse, texts) if found))

    def match(self, path: str, parent: PathMatch = ()) -> tuple[bool, PathMatch]:
        """Match `path`, given the second value returned for its parent folder.

        A pattern that matched the parent matches the path. Top-level paths
        have no parent: leave it out.
        """
        matched = False
        each: list[bool] = []
        for position, pattern in enumerate(self.patterns):
            hit = parent[position] if parent else False
            if not hit and pattern.negated == matched:
                hit = pattern.regex.fullmatch(path) is not None
            each.append(hit)
            if hit:
                matched = not pattern.negated
        return matched, tuple(each)

    def may_select_below(self, folder: str, *, negated: bool) -> bool:
        """Tell whether a (negated) pattern could still match inside `folder`."""
        return any(pattern.may_match_below(folder) for pattern in self.patterns if pattern.negated is negated)


def match_name(pattern: str, name: str) -> bool:
    """Match a shell pattern where "*" and "?" stop at "/" and "**" is "*".

    Raises:
        ValueError: malformed pattern.

    """
    single = re.sub(r"(\\.)|\*+", lambda found: found[1] or "*", pattern, flags=re.DOTALL)
    return _compile(single).fullmatch(name) is not None


def _clean(text: str) -> str:
    cleaned = posixpath.normpath(text)
    return "/" + cleaned.lstrip("/") if cleaned.startswith("//") else cleaned


def _fixed_part(text: str) -> str:
    parts = text.split("/")
    wild = next((n for n, part in enumerate(parts) if re.search(r"[*?\[\\]", part)), len(parts))
    return "/".join(parts[:wild])


@lru_cache(maxsize=4096)
def _compile(text: str) -> re.Pattern[str]:
    """Translate a pattern into a regular expression over whole paths."""
    if text.startswith("**") and not re.search(r"[*?\[\]\\]", text[2:]):
        return re.compile(_leading_stars(text[2:]), re.DOTALL)
    pieces: list[str] = []
    at = 0
    while at < len(text):
        piece, at = _piece(text, at)
        pieces.append(piece)
    return re.compile("".join(pieces), re.DOTALL)


def _leading_stars(suffix: str) -> str:
    """Translate "**SUFFIX": any path that ends so; "**/x" matches "x" too."""
    plain = f".*{re.escape(suffix)}"
    return f"{plain}|{re.escape(suffix[1:])}" if suffix.startswith("/") else plain


def _piece(text: str, at: int) -> tuple[str, int]:
    """Translate the token at `at`; give it and the position after it."""
    if text.startswith("**", at):
        after = at + 3 if text.startswith("/", at + 2) else at + 2
        return (".*" if after >= len(text) else "(?:.*/)?"), after
    char = text[at]
    if char == "*":
        return "[^/]*", at + 1
    if char == "?":
        return "[^/]", at + 1
    if char == "[":
        return _char_class(text, at)
    if char == "\\":
        if at + 1 == len(text):
            raise ValueError(f"syntax error in pattern: {text!r} ends in a backslash; escape it or remove it")
        return re.escape(text[at + 1]), at + 2
    return re.escape(char), at + 1


def _char_class(text: str, at: int) -> tuple[str, int]:
    """Translate "[a-z]" or "[^a-z]"; "/" never matches a negated class's path."""
    found = re.compile(r"\[(\^?)((?:\\.|[^\]\\])+)\]", re.DOTALL).match(text, at)
    if not found:
        raise ValueError(f"syntax error in pattern: {text!r} has an unclosed '['; close it or escape it")
    body = re.sub(r"\\(.)|([\[&|~^])", lambda m: re.escape(m[1] or m[2]), found[2], flags=re.DOTALL)
    return f"[{found[1]}{body}]", found.end()
