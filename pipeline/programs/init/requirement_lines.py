"""Read requirements.txt as pip does: included files, options, continuation lines, local paths."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from init.facts import Guess

INSTALLERS: Final = frozenset({"pip", "setuptools", "wheel", "poetry", "pipenv", "pdm", "uv", "virtualenv"})
WITH_VALUE: Final = frozenset(
    {
        "-r",
        "--requirement",
        "-c",
        "--constraint",
        "-i",
        "--index-url",
        "--extra-index-url",
        "-f",
        "--find-links",
        "-t",
        "--target",
        "--prefix",
        "--root",
        "--trusted-host",
        "--timeout",
        "--retries",
    }
)
"""Options of pip whose value is the next word."""
OPTION: Final = re.compile(r"\s--(?:hash|config-settings|global-option)[= ]\S+")
INDEX: Final = re.compile(r"^(?:--index-url|--extra-index-url|-i)[= ]\s*(\S+)")
EGG: Final = re.compile(r"^((?:git|hg|svn|bzr)\+\S+?)#egg=([\w.-]+)(\[[\w,]+\])?\S*")
WHEEL: Final = re.compile(r"^https?://\S+/([A-Za-z0-9_.]+)-[^-/]+-[^/]*\.whl")


@dataclass(slots=True, kw_only=True)
class Requirements:
    """What a requirement file declares."""

    lines: list[str] = field(default_factory=list)
    indexes: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    """Local projects that are installed from the source, e.g. `./libs/core`; "." is the project itself."""
    remarks: list[Guess] = field(default_factory=list)


def read_requirements(root: Path, name: str, found: Requirements | None = None) -> Requirements:
    """Return what a requirement file declares, with the files that it includes."""
    found = found or Requirements()
    text = re.sub(r"\\\r?\n", " ", (root / name).read_text("utf-8", errors="replace"))
    for number, line in enumerate(text.splitlines(), 1):
        bare = re.sub(r"(^|\s)#.*$", "", line).strip()
        if bare:
            _read(root, name, found, bare, f"{name}:{number}")
    return found


def requirements_of(words: list[str]) -> list[str]:
    """Return what `pip install WORDS` installs by name: no files, folders, options or tools of the build."""
    found = []
    for before, word in zip(["", *words], words, strict=False):
        if word.startswith(("-", ".", "/", "$", "http", "git+")) or before in WITH_VALUE:
            continue
        try:
            name = Requirement(word).name
        except InvalidRequirement:
            continue
        if canonicalize_name(name) not in INSTALLERS:
            found.append(word)
    return found


def _read(root: Path, name: str, found: Requirements, line: str, place: str) -> None:
    words = line.replace("=", " ", 1).split() if line.startswith("--") else line.split()
    if words[0] in {"-r", "--requirement"} and len(words) > 1:
        included = (Path(name).parent / words[1]).as_posix()
        if (root / included).is_file():
            read_requirements(root, included, found)
        else:
            why = f"{words[1]!r} does not exist; its requirements are absent"
            found.remarks.append(Guess(key="dependencies", place=place, why=why))
    elif match := INDEX.match(line):
        found.indexes.append(match[1])
    elif words[0] in {"-e", "--editable"} or line.startswith((".", "/", "file:")):
        _local(found, words[-1], place)
    elif line.startswith("-"):
        why = f"{line!r} is left out: this option has no place in [project]"
        found.remarks.append(Guess(key="dependencies", place=place, why=why))
    else:
        _requirement(found, OPTION.sub("", line).strip(), place)


def _local(found: Requirements, path: str, place: str) -> None:
    if EGG.match(path):
        _requirement(found, path, place)
        return
    folder = re.sub(r"\[.*\]$", "", path).removeprefix("file:").rstrip("/").removeprefix("./") or "."
    found.folders.append(folder)
    why = f"{path} enters the image as code, by packages; what it depends on is declared here"
    found.remarks.append(Guess(key="dependencies", place=place, why=why))


def _requirement(found: Requirements, line: str, place: str) -> None:
    if match := EGG.match(line):
        line = f"{match[2]}{match[3] or ''} @ {match[1]}"
    elif match := WHEEL.match(line):
        line = f"{match[1].replace('_', '-')} @ {line}"
    try:
        Requirement(line)
    except InvalidRequirement as error:
        reason = str(error).splitlines()[0]
        why = f"{line!r} is left out: not a valid requirement specifier (PEP 508): {reason}"
        found.remarks.append(Guess(key="dependencies", place=place, why=why))
    else:
        if line not in found.lines:
            found.lines.append(line)
