"""Which paths of a source the rules of .dockerignore and .gitignore leave out."""

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from pathspec import GitIgnoreSpec  # type: ignore[import-not-found,unused-ignore]


class DockerPattern(NamedTuple):
    """One line of .dockerignore. Source: moby's patternmatcher."""

    regex: re.Pattern[str]
    exception: bool
    """Whether it starts with `!`: what it matches stays."""


class DockerRules:
    """Patterns as .dockerignore has them: the last one that matches decides, `!` makes an exception."""

    def __init__(self, lines: Iterable[str]) -> None:
        """Read the patterns; comments and empty lines are skipped."""
        self.patterns = list(_docker_patterns(lines))

    def match(self, path: str) -> bool:
        """Return whether a path, or a folder above it, is matched by the last pattern that says anything."""
        parts = path.split("/")
        names = ["/".join(parts[:length]) for length in range(len(parts), 0, -1)]
        matched = False
        for pattern in self.patterns:
            if matched == pattern.exception and any(map(pattern.regex.match, names)):
                matched = not pattern.exception
        return matched


class GitRules:
    """The .gitignore files of a source, each for the folder that it is in."""

    def __init__(self, root: Path) -> None:
        """Read nothing yet: each file is read when a path below its folder is asked for."""
        self.root = root
        self._specs: dict[str, GitIgnoreSpec | None] = {}

    def match(self, path: str) -> bool:
        """Return whether git ignores a path: the deepest file decides, an ignored folder all below it."""
        parts = path.split("/")
        return any(
            self._ignored("/".join(parts[:length]), folder=length < len(parts))
            for length in range(1, len(parts) + 1)
        )

    def _ignored(self, path: str, *, folder: bool) -> bool:
        parts = path.split("/")
        for length in range(len(parts) - 1, -1, -1):
            spec = self._spec("/".join(parts[:length]))
            below = "/".join(parts[length:]) + ("/" if folder else "")
            if spec and (found := spec.check_file(below).include) is not None:
                return bool(found)
        return False

    def _spec(self, folder: str) -> GitIgnoreSpec | None:
        if folder not in self._specs:
            file = self.root / folder / ".gitignore"
            lines = file.read_text(errors="replace").splitlines() if file.is_file() else []
            self._specs[folder] = GitIgnoreSpec.from_lines(lines) if lines else None
        return self._specs[folder]


def docker_rules(root: Path) -> DockerRules:
    """Return the rules of a source's .dockerignore; none where there is no such file."""
    file = root / ".dockerignore"
    return DockerRules(file.read_text("utf-8-sig", errors="replace").splitlines() if file.is_file() else ())


def _docker_patterns(lines: Iterable[str]) -> Iterator[DockerPattern]:
    for line in lines:
        pattern = line.strip()
        if not pattern or line.startswith("#"):
            continue
        exception = pattern.startswith("!")
        pattern = os.path.normpath(pattern.removeprefix("!").strip() or ".").lstrip("/")
        if pattern not in ("", "."):
            yield DockerPattern(_docker_regex(pattern), exception)


def _docker_regex(pattern: str) -> re.Pattern[str]:
    """Return the regular expression of a pattern: `*` and `?` stay in a folder, `**` crosses folders."""
    text, at = "", 0
    while at < len(pattern):
        if pattern.startswith("**", at):
            at += 3 if pattern.startswith("**/", at) else 2
            text += ".*" if at >= len(pattern) else "(.*/)?"
            continue
        char = pattern[at]
        if char == "\\" and at + 1 < len(pattern):
            at += 1
            text += re.escape(pattern[at])
        else:
            text += {"*": "[^/]*", "?": "[^/]"}.get(char) or (char if char in "[]-^" else re.escape(char))
        at += 1
    return re.compile(f"^{text}$")
