"""Pins of a hash-pinned requirement text."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from packaging.markers import InvalidMarker, Marker
from packaging.utils import canonicalize_name

PIN: Final = re.compile(
    r"^([A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])?==([^\s;\\]+)(?:\s*;\s*(.*?))?(?=\s+--hash|\s*\\?$)"
)
HASH: Final = re.compile(r"--hash=sha256:([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class LockedPin:
    """One pin: a distribution in one version, with the files that are allowed."""

    name: str
    """Normalised."""
    version: str
    hashes: frozenset[str]
    """sha256 in hex."""
    marker: str = ""

    @property
    def applies(self) -> bool:
        """Return whether the marker is true on this Python; an invalid one must not hide a pin."""
        try:
            return not self.marker or Marker(self.marker).evaluate({"extra": ""})
        except InvalidMarker:
            return True


def locked_pins(lock: str) -> Iterator[LockedPin]:
    """Yield the pins of a requirement text."""
    for line in lock.replace("\\\n", " ").splitlines():
        if found := PIN.match(line.strip()):
            hashes = frozenset(HASH.findall(line))
            yield LockedPin(canonicalize_name(found[1]), found[2], hashes, (found[3] or "").strip())
