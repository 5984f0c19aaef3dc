"""What declared Debian packages bring with them: dependencies, and what their installation made."""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from dpkg import ADMIN, Packages, canonical
from lib.deb822 import stanzas

NAME = re.compile(r"^\s*([a-z0-9][a-z0-9+.-]+)")
MANAGEMENT = frozenset(
    (
        *("adduser", "apt", "debconf", "debian-archive-keyring", "dpkg", "gpgv", "init-system-helpers"),
        *("login", "passwd", "sqv", "ucf"),
    )
)
"""Packages that only an installation needs, although many depend on them."""
VOLATILE = re.compile(
    r"/(var/(cache|log|tmp|run|backups|lib/(apt|dpkg|ucf|systemd|pam))|run|tmp|proc|sys|dev|root)/"
)
"""Where programs of an installation leave what no image needs."""
LOOKED_AT = ("etc", "usr", "var/lib")
SHEBANG = re.compile(rb"^#!\s*(\S+)(?:\s+(\S+))?")
SHELLS = frozenset(("bash", "dash", "sh"))
BINARIES = re.compile(r"^/usr/(local/)?s?bin/")


def dependencies(
    packages: Packages, names: list[str], base: Path | None, cut: Callable[[str], bool]
) -> set[str]:
    """Return the installed packages of these names and what they depend on beyond the base.

    Args:
        packages: those of this container.
        names: those that a service declares.
        base: root of the base image; essential packages and its libraries are not followed.
        cut: whether to leave out what a package depends on.

    """
    given: dict[str, list[str]] = {}
    for name, fields in packages.fields.items():
        for word in _names(fields.get("Provides", "")):
            given.setdefault(word, []).append(name)
    essential = {name for name, fields in packages.fields.items() if fields.get("Essential") == "yes"}
    stop = essential | MANAGEMENT | (installed(base) & _libraries(packages) if base else set())
    found: set[str] = set()
    declared = {one for name in names for one in ([name] if name in packages.fields else given.get(name, []))}
    queue = sorted(declared)
    while queue:
        name = queue.pop()
        if name in found:
            continue
        found.add(name)
        if cut(name) and name not in declared:
            continue
        fields = packages.fields[name]
        for word in _names(f"{fields.get('Depends', '')},{fields.get('Pre-Depends', '')}"):
            wanted = [word] if word in packages.fields else given.get(word, [])
            queue += [one for one in wanted if one not in stop]
    return found


def made_by_installing(packages: Packages, whole: set[str], chosen: set[Path], base: Path) -> Iterator[Path]:
    """Yield files that no package has and the base lacks: links to chosen files, files in own folders.

    Such are alternatives, the settings of fonts, and the lists of plugins that a package writes at last.
    """
    before = _folders(installed(base), base)
    own = _folders(whole, Path("/")) - before
    for top in LOOKED_AT:
        for folder, _, names in os.walk(f"/{top}"):
            for name in names:
                path = Path(folder, name)
                if VOLATILE.match(f"{path}") or packages.owner(path) or os.path.lexists(f"{base}{path}"):
                    continue
                if path.is_symlink():
                    if canonical(Path(os.path.realpath(path))) in chosen:
                        yield path
                elif str(path.parent) in own:
                    yield path


def scripts(paths: set[Path]) -> Iterator[tuple[Path, str]]:
    """Yield each chosen program that is a script, and the name of its interpreter."""
    for path in sorted(paths):
        if not BINARIES.match(str(path)) or path.is_symlink() or not path.is_file():
            continue
        with path.open("rb") as stream:
            match = SHEBANG.match(stream.read(200))
        if match:
            words = [word.decode(errors="replace") for word in match.groups() if word]
            program = words[1] if words[0].endswith("/env") and len(words) > 1 else words[0]
            yield path, program.rpartition("/")[2]


def languages(packages: Packages, paths: set[Path]) -> set[str]:
    """Return the packages of the interpreters of chosen scripts, shells left out: Debian has perl always."""
    found = {packages.owner(Path(f"/usr/bin/{name}")) for _, name in scripts(paths) if name not in SHELLS}
    return {owner for owner in found if owner}


def interpreters(paths: set[Path]) -> Iterator[str]:
    """Yield a line for each program that is a script of an interpreter that is not chosen."""
    have = {str(path) for path in paths}
    for path, name in scripts(paths):
        if not any(f"{folder}/{name}" in have for folder in ("/usr/bin", "/usr/local/bin")):
            do = "Set shell = true" if name == "sh" else f"Add the package of {name} to os_packages"
            yield f"note: {path} is a script of {name}, which the image does not have. {do} if it is used."


def installed(root: Path) -> set[str]:
    """Return the packages that a root has installed."""
    status = root / str(ADMIN).lstrip("/") / "status"
    text = status.read_text() if status.exists() else ""
    return {one["Package"] for one in stanzas(text) if "Package" in one}


def _libraries(packages: Packages) -> set[str]:
    """Return the packages of shared libraries: what of them is needed is found by what links them."""
    return {
        name for name, fields in packages.fields.items() if fields.get("Section", "") in ("libs", "oldlibs")
    }


def _folders(names: set[str], root: Path) -> set[str]:
    info = root / str(ADMIN).lstrip("/") / "info"
    lists = [
        path for path in info.glob("*.list") if path.name.removesuffix(".list").partition(":")[0] in names
    ]
    lines = (line for path in lists for line in path.read_text().splitlines())
    return {line for line in lines if Path(line).is_dir()}


def _names(field: str) -> Iterator[str]:
    """Yield the names of a field like Depends; of alternatives all, as only installed ones count."""
    for word in re.split(r"[,|]", field):
        if match := NAME.match(word):
            yield match[1]
