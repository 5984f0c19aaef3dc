"""Stage 2 of 8: the project's own lock in, the hash-pinned requirements of one variant out."""

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Self

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from pipeline.errors import LockError

REFRESH: Final = (
    "Run `wheelhouse call lock -o app` (or `dagger call lock -o app`; app: the service) and commit it."
)
HASH: Final = re.compile(r"--hash[= ]([a-z0-9]+:[0-9a-f]+)")
INDEX: Final = re.compile(r"(?:--index-url|--extra-index-url|-i)[= ](\S+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """One distribution at one version, by the hashes of its files."""

    name: str
    """Normalised name (PEP 503)."""
    version: str
    marker: str = ""
    """Environment marker (PEP 508), or "" for always."""
    hashes: tuple[str, ...]
    """`sha256:<hex>` of every file that may be installed, sorted."""

    @property
    def line(self) -> str:
        """Return the pin as one line of a requirement file."""
        marker = f" ; {self.marker}" if self.marker else ""
        return f"{self.name}=={self.version}{marker}" + "".join(f" --hash={item}" for item in self.hashes)


@dataclass(frozen=True, slots=True)
class Lock:
    """The pins of one variant, sorted by name, and the indexes that the lock itself names."""

    pins: tuple[Pin, ...]
    indexes: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """Return the canonical requirement file: what the wheels are cached by.

        Comments, order and line breaks of the original are gone, so that editing them rebuilds nothing.
        """
        return "".join(f"{pin.line}\n" for pin in self.pins)

    def without(self, other: "Lock") -> "Lock":
        """Return the pins of distributions that the other lock does not have."""
        names = {pin.name for pin in other.pins}
        return Lock(tuple(pin for pin in self.pins if pin.name not in names), self.indexes)

    @classmethod
    def parse(cls, text: str, *, path: str) -> Self:
        """Return the pins of a requirement file.

        Raises:
            LockError: a line is no `name==version`, or carries no hash; every such line is listed.

        """
        pins: list[Pin] = []
        wrong: list[str] = []
        indexes: list[str] = []
        for line in _logical_lines(text):
            if match := INDEX.match(line):
                indexes.append(match[1])
            elif isinstance(pin := _pin(line), Pin):
                pins.append(pin)
            else:
                wrong.append(f"{path}: {line.split(' --hash')[0]!r} {pin}")
        if wrong or not pins:
            raise LockError.of(
                "\n".join(wrong) or f"{path}: no pin",
                expected="`name==version --hash=sha256:…` on every line",
                do=REFRESH,
            )
        return cls(tuple(sorted(pins, key=lambda pin: (pin.name, pin.version))), tuple(indexes))

    @classmethod
    def parse_pylock(cls, text: str, *, path: str) -> Self:
        """Return the pins of a pylock.toml (PEP 751).

        Raises:
            LockError: not TOML, or a package without version or hash (a directory, an archive, a VCS).

        """
        try:
            packages = tomllib.loads(text).get("packages", [])
        except tomllib.TOMLDecodeError as error:
            raise LockError.of(
                f"{path}: {error}", expected="a TOML file", do="Make the lock anew."
            ) from error
        lines = "".join(_pylock_line(package) for package in packages)
        return cls.parse(lines, path=path)


def check_fresh(lock: Lock, declared: Iterable[str], *, python: str, path: str) -> None:
    """Check that every declared requirement is satisfied by a pin.

    Args:
        lock: the pins.
        declared: requirement lines of the project: dependencies and the variant's extras.
        python: X.Y of the image, for markers.
        path: where the lock was found, for the message.

    Raises:
        LockError: at least one is absent or pinned outside its range; all are listed.

    """
    pinned: dict[str, set[str]] = {}
    for pin in lock.pins:
        pinned.setdefault(pin.name, set()).add(pin.version)
    stale = [_staleness(line, pinned, _target(python)) for line in declared]
    lines = [f"{path}: {found}" for found in stale if found]
    if lines:
        raise LockError.of(
            "\n".join(lines), expected="a pin for each requirement of pyproject.toml", do=REFRESH
        )


def _staleness(line: str, pinned: dict[str, set[str]], target: dict[str, str]) -> str:
    try:
        requirement = Requirement(line)
    except InvalidRequirement as error:
        return f"pyproject.toml declares {line!r}, which is no requirement ({error})"
    if requirement.marker and not requirement.marker.evaluate(target):
        return ""
    versions = pinned.get(canonicalize_name(requirement.name), set())
    if not versions:
        return f"{requirement.name} not locked, {requirement} required"
    if not any(requirement.specifier.contains(version, prereleases=True) for version in versions):
        return f"{requirement.name} {', '.join(sorted(versions))} locked, {requirement} required"
    return ""


def _target(python: str) -> dict[str, str]:
    """Return the marker values of the image that differ from those of the machine that asks."""
    return {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "os_name": "posix",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "extra": "",
    }


def _logical_lines(text: str) -> list[str]:
    """Return the lines that mean something: comments cut, continuations joined, blanks dropped."""
    bare = (re.sub(r"(^|\s)#.*$", "", line).rstrip() for line in text.splitlines())
    joined = re.sub(r"\\\n\s*", " ", "\n".join(line for line in bare if line))
    return [" ".join(line.split()) for line in joined.splitlines() if line.strip()]


def _pin(line: str) -> Pin | str:
    """Return the pin that a logical line means, or what is wrong with it."""
    try:
        requirement = Requirement(HASH.sub("", line).strip())
    except InvalidRequirement:
        return "is no requirement"
    if requirement.url:
        return "is a URL, not a pinned version"
    versions = [item.version for item in requirement.specifier if item.operator == "=="]
    if len(versions) != 1 or "*" in versions[0]:
        return "is not pinned with =="
    if not (hashes := HASH.findall(line)):
        return "has no hash"
    return Pin(
        name=canonicalize_name(requirement.name),
        version=versions[0],
        marker=str(requirement.marker or ""),
        hashes=tuple(sorted(set(hashes))),
    )


def _pylock_line(package: dict[str, Any]) -> str:
    files = [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
    hashes = "".join(f" --hash=sha256:{file.get('hashes', {}).get('sha256', '')}" for file in files)
    marker = f" ; {package['marker']}" if "marker" in package else ""
    return f"{package.get('name', '?')}=={package.get('version', '?')}{marker}{hashes}\n"
