"""Stage 2 of 8: the project's own lock in, the hash-pinned requirements of one variant out."""

import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Self

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from pipeline.build.lock_lines import REFRESH, Pin, Wrong, parsed
from pipeline.errors import LockError

__all__ = ["REFRESH", "Lock", "Pin", "check_fresh"]

INDEX: Final = re.compile(r"(?:--index-url|--extra-index-url|-i)[= ](\S+)")


@dataclass(frozen=True, slots=True)
class Lock:
    """The pins of one variant, sorted by name, and the indexes that the lock itself names."""

    pins: tuple[Pin, ...]
    indexes: tuple[str, ...] = ()
    local: frozenset[str] = frozenset()
    """Names of distributions whose code is in the service's own folders instead."""

    @property
    def downloads(self) -> str:
        """Return the requirement file that an installer fetches: pins, some of them by URL."""
        return "".join(f"{pin.download}\n" for pin in self.pins)

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
        """Return the pins of a requirement file; none of a project that depends on nothing.

        Raises:
            LockError: a line is not `name==version` or the URL of a wheel, or has no hash; every such line
                is listed with its number and the way on.

        """
        pins: list[Pin] = []
        wrong: list[str] = []
        indexes: list[str] = []
        for number, line in _logical_lines(text):
            if match := INDEX.match(line):
                indexes.append(match[1])
            elif isinstance(pin := parsed(line), Wrong):
                found, expected, do = pin
                start = f"{path}:{number}: {line.split(' --hash')[0]!r}"
                wrong.append(f"{start} {found}; expected {expected}. {do}")
            else:
                pins.append(pin)
        wrong += [f"{path}: {found}" for found in _pinned_twice(pins)]
        if "\ufffd" in text:
            wrong = [f"{path}: not valid UTF-8; expected UTF-8. Save the file as UTF-8."]
        if wrong:
            raise LockError("\n".join(wrong))
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
                f"{path}: {error}", expected="a TOML file", do="Create the lock again."
            ) from error
        lines = "".join(_pylock_line(package) for package in packages)
        return cls.parse(lines, path=path)


def check_fresh(lock: Lock, declared: Iterable[str], *, python: str, path: str) -> None:
    """Check that every declared requirement is satisfied by a pin, or is code of the service's own folders.

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
    stale = [_staleness(line, pinned, lock.local, _target(python)) for line in declared]
    lines = [f"{path}: {found}" for found in stale if found]
    if lines:
        raise LockError.of(
            "\n".join(lines), expected="a pin for each requirement of pyproject.toml", do=REFRESH
        )


def _staleness(line: str, pinned: dict[str, set[str]], local: frozenset[str], target: dict[str, str]) -> str:
    try:
        requirement = Requirement(line)
    except InvalidRequirement as error:
        return f"pyproject.toml declares {line!r}, not a valid requirement specifier (PEP 508): {error}"
    if requirement.marker and not requirement.marker.evaluate(target):
        return ""
    if canonicalize_name(requirement.name) in local:
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


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines that mean something, each with the number of its first physical line.

    Comments are cut, continuations joined, blanks dropped.
    """
    number, parts = 0, list[str]()
    for count, line in enumerate(text.splitlines(), 1):
        bare = re.sub(r"(^|\s)#.*$", "", line).strip()
        number = number if parts else count
        if bare:
            parts.append(bare.removesuffix("\\").strip())
        if parts and not bare.endswith("\\") and (bare or not line.strip()):
            yield number, " ".join(" ".join(parts).split())
            parts = []
    if parts:
        yield number, " ".join(" ".join(parts).split())


def _pinned_twice(pins: list[Pin]) -> Iterator[str]:
    always: dict[str, str] = {}
    for pin in pins:
        if not pin.marker and pin.name in always:
            versions = f"{always[pin.name]} and {pin.version}"
            yield f"{pin.name} is pinned twice, {versions}; expected one version of each. {REFRESH}"
        if not pin.marker:
            always[pin.name] = pin.version


def _pylock_line(package: dict[str, Any]) -> str:
    files = [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
    hashes = "".join(f" --hash=sha256:{file.get('hashes', {}).get('sha256', '')}" for file in files)
    marker = f" ; {package['marker']}" if "marker" in package else ""
    name = package.get("name", "?")
    if archive := package.get("archive"):
        digest = archive.get("hashes", {}).get("sha256", "")
        return f"{name} @ {archive.get('url', '')}{marker} --hash=sha256:{digest}\n"
    if directory := package.get("directory"):
        return f"-e ./{str(directory.get('path', '')).removeprefix('./')}\n"
    if vcs := package.get("vcs"):
        return f"{name} @ {vcs.get('type', 'git')}+{vcs.get('url', '')}\n"
    return f"{name}=={package.get('version', '?')}{marker}{hashes}\n"
