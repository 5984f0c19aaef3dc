"""Choose what of a service's folder enters its image, and say what does not and why.

    select_source.py --source DIR --wanted FILE --out DIR

FILE is JSON: `packages` (folders and files, each placed by its last name), `include` (patterns that
bring back what a rule leaves out), `tests`, `shell`, `command` (the program that the image starts) and
`files` (path -> text of further files). Writes OUT/app and OUT/report.txt, one line per thing that is
left out or needs attention; the same goes to stderr. Exit status 1 when the image could not work.
"""

import argparse
import json
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from git_index import Tracked
from ignore_rules import DockerRules, GitRules, docker_rules
from private_keys import holds_private_key
from shell_uses import shell_uses

NEVER = re.compile(
    r"(^|/)(\.git|\.hg|\.svn|\.aws|\.ssh|\.docker|\.kube|\.gnupg|\.azure|\.env(\..+)?|\.envrc|\.netrc|_netrc"
    r"|\.pypirc|\.npmrc|\.pgpass|\.git-credentials|\.bash_history|\.python_history"
    r"|id_(rsa|dsa|ecdsa|ed25519))(/|$)"
)
"""Repositories and credentials by name."""
CACHES = re.compile(
    r"(^|/)(__pycache__|\.venv|\.tox|\.nox|\.(pytest|mypy|ruff)_cache|\.hypothesis|\.ipynb_checkpoints"
    r"|[^/]+\.egg-info|\.DS_Store|Thumbs\.db|\.coverage)(/|$)"
)
"""What tools of a developer write."""
SHEBANG = re.compile(rb"^#!\s*\S*(/env\s+)?\S*\b(ba|da|k|z|)sh\b")
LARGE_FILE = b"version https://git-lfs.github.com/spec/"
NAMED = 6
"""Things that a line of the report names; the rest is counted."""
UNTRACKED = "not tracked by git"
NOT_HERE = "credentials and private keys never enter an image; pass them when it runs"


@dataclass
class Selection:
    """What enters, and what does not."""

    source: Path
    wanted: dict[str, Any]
    chosen: dict[str, Path] = field(default_factory=dict)
    """Path below the application's folder -> file of the source."""
    left: dict[str, dict[str, tuple[int, int]]] = field(default_factory=dict)
    """Reason -> topmost path left out -> files and bytes."""
    notes: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Read the rules of the source."""
        self.docker, self.git = docker_rules(self.source), GitRules(self.source)
        self.tracked = Tracked.read(self.source)
        self.include = DockerRules(self.wanted["include"])

    def choose(self) -> None:
        """Look at every file of the packages."""
        for package in self.wanted["packages"]:
            root = self.source / package
            before = len(self.chosen)
            for path in files_below(root):
                inside = path.relative_to(self.source).as_posix()
                if reason := self.reason(inside, path):
                    self._leave(reason, inside, path)
                else:
                    self.chosen[str(Path(root.name, path.relative_to(root)))] = path
                    self._look(inside, path)
            if len(self.chosen) == before:
                self.wrong.append(
                    f"packages names {package!r}, of which nothing enters the image; expected files. "
                    "Look at the reasons above, or take it out of packages."
                )
        if not self.wanted["shell"]:
            self._require_no_shell()

    def reason(self, inside: str, path: Path) -> str:
        """Return why a file stays out; "" for one that enters."""
        key = not path.is_symlink() and path.suffix != ".py" and holds_private_key(path)
        if NEVER.search(inside) or key:
            return NOT_HERE
        if self.include.match(inside):
            return ""
        tests = str(self.wanted["tests"]).rstrip("/")
        reasons = {
            ".dockerignore": self.docker.match(inside),
            ".gitignore": self.git.match(inside),
            "the service's own tests": bool(tests) and f"{inside}/".startswith(f"{tests}/"),
            "settings of pytest": path.name == "conftest.py",
            "caches of tools": bool(CACHES.search(inside))
            or (path.suffix == ".pyc" and path.with_suffix(".py").exists()),
            UNTRACKED: self.tracked is not None and not self.tracked.match(inside),
        }
        return next((reason for reason, applies in reasons.items() if applies), "")

    def report(self) -> list[str]:
        """Return one line per reason and per thing that needs attention."""
        lines = [_left_line(reason, places) for reason, places in sorted(self.left.items())]
        return [*lines, *self.notes]

    def _leave(self, reason: str, inside: str, path: Path) -> None:
        places = self.left.setdefault(reason, {})
        top = inside
        if match := (NEVER if reason == NOT_HERE else CACHES).search(inside):
            top = inside[: match.end()]
        elif reason == UNTRACKED and self.tracked:
            top = self.tracked.untracked_top(inside)
        files, size = places.get(top, (0, 0))
        places[top] = (files + 1, size + path.lstat().st_size)

    def _look(self, inside: str, path: Path) -> None:
        """Note what of a file that enters would not work in the image."""
        if path.is_symlink():
            return
        if path.suffix == ".py":
            if holds_private_key(path):
                self.wrong.append(f"{inside} holds a private key; expected none in code. {NOT_HERE}.")
            for line, call in shell_uses(path) if not self.wanted["shell"] else ():
                self.notes.append(
                    f"{inside}:{line}: {call} needs /bin/sh, which the image does not have. Start the "
                    "program itself, or set shell = true in [tool.wheelhouse]."
                )
        elif path.stat().st_size < 1000 and path.read_bytes().startswith(LARGE_FILE):  # noqa: PLR2004
            self.notes.append(
                f"{inside} is a pointer of Git LFS, not the file itself. Run `git lfs pull` first."
            )

    def _require_no_shell(self) -> None:
        """Refuse a command that is a shell script."""
        command = str(self.wanted["command"])
        path = self.chosen.get(command.removeprefix("/srv/app/").removeprefix("./"))
        if path and SHEBANG.match(path.read_bytes()[:200]):
            self.wrong.append(
                f"command starts {command!r}, a shell script; expected a program of the image, which has no "
                "shell. Set shell = true in [tool.wheelhouse], or name the program that the script starts."
            )


def files_below(root: Path) -> Iterator[Path]:
    """Yield files and links below a folder, or the file itself, in order."""
    if root.is_file():
        yield root
        return
    for path in sorted(root.rglob("*")):
        if path.is_symlink() or path.is_file():
            yield path


def place(selection: Selection, out: Path) -> None:
    """Copy what was chosen; a link into the source outside of the packages becomes the file."""
    for name, path in selection.chosen.items():
        target = out / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink() and not _elsewhere(selection, path):
            target.symlink_to(path.readlink())
        elif path.is_dir():
            shutil.copytree(path, target)
        else:
            shutil.copy(path, target)
    for name, text in selection.wanted["files"].items():
        target = out / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        target.chmod(0o755 if name.startswith("bin/") else 0o644)


def _elsewhere(selection: Selection, link: Path) -> bool:
    """Return whether a link leads to a file of the source that is in none of the packages."""
    target = link.resolve()
    roots = [(selection.source / package).resolve() for package in selection.wanted["packages"]]
    inside = target.exists() and target.is_relative_to(selection.source.resolve())
    return inside and not any(target.is_relative_to(root) for root in roots)


def _left_line(reason: str, places: dict[str, tuple[int, int]]) -> str:
    named = [_sized(place, *counted) for place, counted in list(places.items())[:NAMED]]
    rest = list(places.values())[NAMED:]
    more = [_sized("more", sum(files for files, _ in rest), sum(size for _, size in rest))] if rest else []
    line = f"left out of the image: {', '.join([*named, *more])}: {reason}"
    first = next(iter(places)).rstrip("/")
    key = f'include = ["{first}"] in [tool.wheelhouse] brings it in'
    return line if reason == NOT_HERE else f"{line}; {key}"


def _sized(place: str, files: int, size: int) -> str:
    amount = f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"  # noqa: PLR2004
    return f"{place} ({amount})" if files == 1 else f"{place} ({files} files, {amount})"


def main() -> int:
    """Write what enters and the report; return 1 when the image could not work."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--source", "--wanted", "--out"):
        parser.add_argument(name, type=Path, required=True)
    options = parser.parse_args()
    selection = Selection(options.source, json.loads(options.wanted.read_text()))
    selection.choose()
    text = "".join(f"{line}\n" for line in selection.report())
    sys.stderr.write(text + "".join(f"{line}\n" for line in selection.wrong))
    if selection.wrong:
        return 1
    place(selection, options.out / "app")
    (options.out / "report.txt").write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
