"""One line of a requirement file in, its pin out, or what is wrong with it and the way on."""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

REFRESH: Final = (
    "Run `wheelhouse call lock -o app` (or `dagger call lock -o app`; app: the service) and commit it."
)
HASH: Final = re.compile(r"--hash[= ]([a-z0-9]+:[0-9a-f]+)")
FRAGMENT: Final = re.compile(r"#(sha256)=([0-9a-f]{64})$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """One distribution at one version, by the hashes of its files."""

    name: str
    """Normalised name (PEP 503)."""
    version: str
    marker: str = ""
    """Environment marker (PEP 508), or "" for always."""
    url: str = ""
    """Where its wheel is; "" for an index."""
    hashes: tuple[str, ...]
    """`sha256:<hex>` of every file that may be installed, sorted."""

    @property
    def line(self) -> str:
        """Return the pin as one line of a requirement file, wherever its file is from."""
        return self._line(f"{self.name}=={self.version}")

    @property
    def download(self) -> str:
        """Return the line that an installer fetches the file by."""
        return self._line(f"{self.name} @ {self.url}") if self.url else self.line

    def _line(self, what: str) -> str:
        marker = f" ; {self.marker}" if self.marker else ""
        return f"{what}{marker}" + "".join(f" --hash={item}" for item in self.hashes)


class Wrong(NamedTuple):
    """What is wrong with a line."""

    found: str
    expected: str
    do: str


NO_HASH: Final = Wrong("has no hash", "--hash=sha256:… on every line", REFRESH)
RANGE: Final = Wrong("is not pinned with ==", "one version", REFRESH)
INCLUDED: Final = Wrong("reads another file", "the pins themselves: a lock is one whole file", REFRESH)
EDITABLE: Final = Wrong(
    "is a folder, not a package of an index",
    "pins only",
    "Add the folder of its code to `packages` of [tool.wheelhouse], and what it depends on to [project]; "
    "then take the line out.",
)
CHECKOUT: Final = Wrong(
    "is a repository, whose files have no fixed hash",
    "a wheel with its hash",
    "Pin a release, or build a wheel of that commit, put it where the build reaches it, and name its URL.",
)
ARCHIVE: Final = Wrong(
    "is a URL of no wheel",
    "a URL that ends with .whl",
    "Build a wheel of it and name its URL, or pin a release.",
)
OPTION: Final = Wrong(
    "is an option that is not read",
    "pins, and --index-url or --extra-index-url",
    "Take it out; further indexes are named in [[tool.uv.index]] of pyproject.toml.",
)
KINDS: Final = (
    (re.compile(r"^(-e|--editable)\b|^\.{0,2}/|^file:|^\S+ @ (file:|\.{0,2}/)"), EDITABLE),
    (re.compile(r"^(-r|--requirement|-c|--constraint)\b"), INCLUDED),
    (re.compile(r"^-"), OPTION),
    (re.compile(r"\b(git|hg|svn|bzr)\+"), CHECKOUT),
)
"""Lines that are never pins, by their form, in this order."""


def parsed(line: str) -> Pin | Wrong:
    """Return the pin that a logical line means, or what is wrong with it."""
    if wrong := next((wrong for pattern, wrong in KINDS if pattern.search(line)), None):
        return wrong
    try:
        requirement = Requirement(HASH.sub("", line).strip())
    except InvalidRequirement as error:
        reason = str(error).splitlines()[0]
        found = f"is not a valid requirement specifier (PEP 508): {reason}"
        return Wrong(found, "`name==version --hash=sha256:…`", REFRESH)
    hashes = HASH.findall(line)
    return _by_url(requirement, hashes) if requirement.url else _by_version(requirement, hashes)


def _by_version(requirement: Requirement, hashes: list[str]) -> Pin | Wrong:
    versions = [item.version for item in requirement.specifier if item.operator == "=="]
    if len(versions) != 1 or "*" in versions[0]:
        return RANGE
    if not hashes:
        return NO_HASH
    return Pin(
        name=canonicalize_name(requirement.name),
        version=versions[0],
        marker=str(requirement.marker or ""),
        hashes=tuple(sorted(set(hashes))),
    )


def _by_url(requirement: Requirement, hashes: list[str]) -> Pin | Wrong:
    url = str(requirement.url)
    hashes += [":".join(match.groups()) for match in (FRAGMENT.search(url),) if match]
    file = PurePosixPath(unquote(urlsplit(url).path)).name
    try:
        name, version, _, _ = parse_wheel_filename(file)
    except InvalidWheelFilename:
        return ARCHIVE
    if name != canonicalize_name(requirement.name):
        return Wrong(f"names a wheel of {name}", f"one of {requirement.name}", "Fix the name or the URL.")
    if not hashes:
        return NO_HASH
    return Pin(
        name=name,
        version=str(version),
        marker=str(requirement.marker or ""),
        url=FRAGMENT.sub("", url),
        hashes=tuple(sorted(set(hashes))),
    )
