"""Decide which files of a project enter the image, and under which names its code is imported."""

import posixpath
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from init.code import NOT_MODULES, SKIPPED, Code, python_files
from init.facts import Copied, Guess

MANIFESTS: Final = re.compile(
    r"^(requirements.*|.*requirements\.(txt|in)|pyproject\.toml|setup\.(py|cfg)|poetry\.(lock|toml)|pdm\.lock|"
    r"uv\.lock|Pipfile(\.lock)?|README.*|LICEN[CS]E.*|Dockerfile.*|docker-compose.*|compose.*|Makefile|Procfile|"
    r"Jenkinsfile|runtime\.txt|environment\.ya?ml|tox\.ini|CHANGELOG.*|CONTRIBUTING.*|package(-lock)?\.json|"
    r".*\.sh|.*\.ipynb|.*\.md|.*\.lock)$",
    re.IGNORECASE,
)
"""Files that tools read and no service does."""


class Layout:
    """The files of a project as the image will have them."""

    def __init__(self, root: Path, code: Code, words: Iterable[str]) -> None:
        self.root = root
        named = {text.removeprefix("./") for text in (*code.texts, *words)}
        self.named = {part for text in named for part in _starts(text)}
        """Names of files and folders that code or command mention."""
        self.remarks: list[Guess] = []

    def copied(self, copies: list[Copied], workdir: str) -> list[str]:
        """Return the entries of `packages` for what a Dockerfile copies into its working directory."""
        found: list[str] = []
        for copy in copies:
            for source in self._sources(copy.source):
                found += self._entries(copy, source, workdir)
        return list(dict.fromkeys(found))

    def children(self, base: str = "", *, everything: bool = False) -> list[str]:
        """Return the entries for a folder whose contents are imported by their own names.

        Args:
            base: the folder; "" for the project itself.
            everything: data that no code names, too.

        """
        entries = []
        for path in sorted((self.root / base).iterdir()):
            name = path.name
            hidden = name.startswith(".") or name in SKIPPED or MANIFESTS.match(name) or name in NOT_MODULES
            if hidden or path.is_symlink() or name.endswith(".egg-info") or name.startswith("test_"):
                continue
            has_code = path.suffix == ".py" if path.is_file() else any(True for _ in python_files(path))
            if everything or has_code or name in self.named:
                entries.append(f"{base}/{name}" if base else name)
        return entries

    def base_of(self, module: str) -> str | None:
        """Return the folder below which a module is found by its name, the nearest to the root."""
        path = module.replace(".", "/")
        bases = [
            "",
            *sorted({posixpath.dirname(self._relative(one)) for one in python_files(self.root)}, key=_depth),
        ]
        parents = [base for base in (*bases, "src") if not (self.root / base / "__init__.py").is_file()]
        for base in dict.fromkeys(parents):
            at = self.root / base
            if (at / f"{path}.py").is_file() or (at / path / "__init__.py").is_file():
                return base
        return None

    def base_of_file(self, path: str, imports: Iterable[str]) -> str:
        """Return the folder that a module's imports start from: its own, `src` or the project."""
        own = posixpath.dirname(path)
        if own and not (self.root / own / "__init__.py").is_file():
            for name in imports:
                in_own = (self.root / own / f"{name}.py").is_file() or (self.root / own / name).is_dir()
                in_root = (self.root / f"{name}.py").is_file() or (self.root / name).is_dir()
                if in_own and not in_root:
                    return own
        first = path.partition("/")[0]
        is_source = first == "src" and not (self.root / "src" / "__init__.py").is_file()
        return "src" if is_source and "src" not in set(imports) else ""

    def holds(self, module: str, entries: Iterable[str]) -> bool:
        """Return whether a module is found by its name in the image."""
        first = module.partition(".")[0]
        return any(posixpath.basename(entry) in {first, f"{first}.py"} for entry in entries)

    def _relative(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    def _sources(self, pattern: str) -> list[str]:
        if "*" in pattern:
            return sorted(self._relative(path) for path in self.root.glob(pattern))
        return [pattern]

    def _entries(self, copy: Copied, source: str, workdir: str) -> list[str]:
        """Return what one source of a COPY adds to `packages`."""
        path = self.root / source
        name = posixpath.basename(source)
        inside = posixpath.relpath(copy.target.rstrip("/") or "/", workdir)
        if not path.exists():
            self._remark(copy, f"{source!r} is copied and does not exist in the source")
        elif MANIFESTS.match(name) and path.is_file():
            pass
        elif path.is_dir() and inside == ".":
            return self.children() if source == "." else self.children(source, everything=True)
        elif inside.startswith(".."):
            why = f"{source!r} goes to {copy.target!r}, out of the working directory; it is left out"
            self._remark(copy, why)
        else:
            folder = path.is_file() and copy.target.endswith("/")
            return self._placed(copy, source, posixpath.normpath(f"{inside}/{name}" if folder else inside))
        return []

    def _placed(self, copy: Copied, source: str, target: str) -> list[str]:
        """Return the entry that puts a source where it goes, or near it."""
        if target == source:
            return [source.partition("/")[0]]
        if target != posixpath.basename(source):
            why = f"{source!r} gets another name in the image, {target!r}: rename it, or the code may miss it"
            self._remark(copy, why)
        return [source]

    def _remark(self, copy: Copied, why: str) -> None:
        self.remarks.append(Guess(key="packages", place=copy.place, why=why))


def _starts(text: str) -> set[str]:
    """Return the first part of a path, if the text may be one."""
    first = text.partition("/")[0]
    return {first} if first and len(text) < 200 and "\n" not in text else set()  # noqa: PLR2004


def _depth(path: str) -> tuple[int, str]:
    return path.count("/"), path
