"""Say which base images Debian packages can stand in for.

Without a registry `python:3.13-slim` => Debian trixie with its Python. What
cannot be had is refused with a list of what can.
"""

import re
from dataclasses import dataclass
from typing import Final

from wheelhouse_engine.imageconfig import ImageError
from wheelhouse_engine.references import Reference

PYTHON_SUITES: Final = {"3.13": "trixie", "3.11": "bookworm"}
"""Python version -> the Debian release that has it."""
SUITES: Final = {"trixie": "trixie", "bookworm": "bookworm", "13": "trixie", "12": "bookworm"}
"""Tag of the debian image -> Debian release."""
MOVING: Final = {
    "latest": "trixie",
    "stable": "trixie",
    "stable-slim": "trixie-slim",
    "oldstable": "bookworm",
    "oldstable-slim": "bookworm-slim",
}
"""Tags of the debian image that move from release to release -> what they mean in 2026."""

BASE_PACKAGES: Final = ("ca-certificates",)
PYTHON_PACKAGES: Final = ("netbase", "tzdata", "python3", "python3-venv", "python3-pip")
FULL_PACKAGES: Final = (
    *("python3-dev", "build-essential", "pkg-config", "autoconf", "automake", "libtool", "patch", "file"),
    *("git", "openssh-client", "curl", "wget", "gnupg", "procps", "unzip", "xz-utils", "bzip2"),
    *("libssl-dev", "libffi-dev", "zlib1g-dev", "libbz2-dev", "liblzma-dev", "libsqlite3-dev"),
    *("libreadline-dev", "libncurses-dev", "libexpat1-dev", "libgdbm-dev", "libdb-dev", "libgmp-dev"),
    *("libcurl4-openssl-dev", "libxml2-dev", "libxslt1-dev", "libyaml-dev", "libpq-dev", "libkrb5-dev"),
    *("libjpeg-dev", "libpng-dev", "libwebp-dev", "libevent-dev", "uuid-dev"),
)
"""What builds of Python extensions commonly ask of the full image."""


@dataclass(frozen=True, slots=True)
class StandIn:
    """Describe an image to be made from Debian packages."""

    suite: str
    slim: bool = True
    python: str = ""
    """`3.13`, or empty for a plain Debian."""
    patch: str = ""
    """`3.13.5` when the address asks for one patch version."""

    @property
    def packages(self) -> tuple[str, ...]:
        """Return the packages asked for; their dependencies follow."""
        python = PYTHON_PACKAGES if self.python else ()
        full = FULL_PACKAGES if self.python and not self.slim else ()
        return BASE_PACKAGES + python + full

    @property
    def name(self) -> str:
        """Return a name that is equal for equal content."""
        image = f"python-{self.python}" if self.python else "debian"
        return f"{image}-{self.suite}{'-slim' if self.slim else ''}"


def stand_in_for(reference: Reference) -> StandIn:
    """Return what can stand in for an image.

    ImageError lists what can be had when nothing can stand in.
    """
    if reference.digest:
        name = str(reference).partition("@")[0].removeprefix("docker.io/library/")
        raise ImageError(
            f"{reference} is pinned to a digest: only a registry has exactly these bytes. Name one that "
            f"answers (WHEELHOUSE_REGISTRY_MIRROR), or leave the digest out ({name}) for a stand-in"
        )
    if reference.repository == "docker.io/library/debian" and reference.tag in MOVING:
        raise ImageError(
            f"debian:{reference.tag} means another release every two years, which only a registry knows. "
            f"Name the release: debian:{MOVING[reference.tag]}"
        )
    found: StandIn | None = None
    if reference.repository == "docker.io/library/python":
        found = _python(reference.tag)
    elif reference.repository == "docker.io/library/debian":
        found = _debian(reference.tag)
    if found is None:
        raise ImageError(f"no stand-in can be made for {reference}; there are {', '.join(offered())}")
    return found


def offered() -> list[str]:
    """Return the addresses that can be had without a registry."""
    pythons = [f"python:{version}[-slim][-{suite}]" for version, suite in PYTHON_SUITES.items()]
    return pythons + [f"debian:{suite}[-slim]" for suite in sorted(set(SUITES.values()), reverse=True)]


def _python(tag: str) -> StandIn | None:
    match = re.fullmatch(r"(\d+\.\d+)(\.\d+)?(-slim)?(?:-([a-z]+))?", tag)
    if match is None:
        return None
    version, patch, slim, codename = match.groups()
    suite = PYTHON_SUITES.get(version)
    if suite is None or codename not in (None, suite):
        return None
    return StandIn(suite, slim is not None, version, version + patch if patch else "")


def _debian(tag: str) -> StandIn | None:
    suite = SUITES.get(tag.removesuffix("-slim"))
    return StandIn(suite, tag.endswith("-slim")) if suite else None
