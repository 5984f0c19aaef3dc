"""Wheels of an image: dist-info says what is installed, the lock says which wheel files may be."""

import csv
import email
import email.message
import json
import posixpath
import re
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from sbom.errors import FactsError, SwappedWheelError, UnlistedImageError
from sbom.facts import Component, FileHash
from sbom.tree import Tree

INFO: Final = re.compile(r"^(?P<site>.*/(?:site|dist)-packages)/(?P<info>[^/]+\.dist-info)/METADATA$")
ENVIRONMENT: Final = "/opt/venv/"
MODULE: Final = re.compile(r"^/opt/venv/.*/site-packages/[^/]+/.*\.(py|so)$")
COMPILED: Final = "built.txt"
"""File next to the wheels that names those compiled here."""
SHORT_LICENCE: Final = 64
"""Longer License fields hold the licence's whole text, not its name."""


@dataclass(frozen=True, slots=True)
class Installed:
    """One distribution as its dist-info folder describes it."""

    site: str
    """Folder that it is installed in, as an absolute path of the image."""
    metadata: email.message.Message
    claimed: tuple[str, ...]
    """Absolute paths of its RECORD and of its dist-info folder."""
    embedded: tuple[str, ...]
    """Texts of the lists that the wheel carries itself (PEP 770)."""

    @property
    def name(self) -> str:
        """Return the normalised name."""
        return canonicalize_name(str(self.metadata["Name"]))

    @property
    def version(self) -> str:
        """Return the version as the distribution writes it."""
        return str(self.metadata["Version"])

    @property
    def purl(self) -> str:
        """Return `pkg:pypi/name@version`."""
        return pypi_purl(self.name, self.version)

    @property
    def base_site(self) -> str:
        """Return the folder where it is the base image's own, "" in the service's environment."""
        return "" if self.site.startswith(ENVIRONMENT) else self.site

    def component(
        self,
        installed: dict[str, str],
        wheels: dict[tuple[str, str], FileHash],
        compiled: frozenset[str] = frozenset(),
    ) -> Component:
        """Return the distribution as a component.

        Args:
            installed: normalised name -> purl of everything installed, for the edges.
            wheels: wheel files by name and version.
            compiled: names of those that were compiled from a source.

        """
        wheel = wheels.get((self.name, self.version))
        parts, unreadable = embedded_parts(self.embedded, self.purl)
        known = {
            "wheelhouse:compiled-here": "true" if wheel and wheel.path in compiled else "",
            "wheelhouse:unreadable-sboms": str(unreadable or ""),
            "wheelhouse:base-site": self.base_site,
        }
        return Component(
            kind="library",
            name=self.name,
            version=self.version,
            purl=self.purl,
            licences=_licences(self.metadata),
            files=(wheel,) if wheel else (),
            properties=tuple((key, value) for key, value in known.items() if value),
            parts=parts,
            needs=tuple(sorted({installed[name] for name in _required(self.metadata) if name in installed})),
        )


def pypi_purl(name: str, version: str) -> str:
    """Return the package URL of a distribution."""
    return f"pkg:pypi/{canonicalize_name(name)}@{quote(version, safe='')}"


def installed_wheels(tree: Tree) -> list[Installed]:
    """Return the distributions of every site-packages folder, those of the environment first.

    Raises:
        UnlistedImageError: the environment holds modules but no dist-info folder.

    """
    matches = [match for path in tree.paths if (match := INFO.match(path))]
    if not matches and any(MODULE.match(path) for path in tree.paths):
        raise UnlistedImageError(
            "the environment has modules but no dist-info folder; expected METADATA and RECORD of every "
            "wheel. Keep them when the image is made smaller: no scanner can name its wheels without them."
        )
    found = [_installed(tree, match["site"], match["info"]) for match in matches]
    return sorted(found, key=lambda one: (one.base_site, one.name, one.version))


def compiled_wheels(folder: Path | None) -> frozenset[str]:
    """Return the names of the wheel files that were compiled from a locked source."""
    listing = folder / COMPILED if folder else None
    return (
        frozenset(listing.read_text(encoding="utf-8").split())
        if listing and listing.exists()
        else frozenset()
    )


def wheel_files(folder: Path | None, allowed: dict[str, set[str]]) -> dict[Any, FileHash]:
    """Return the wheel files by name and version, each checked against the lock.

    Args:
        folder: the wheels that the image was made of; None: nothing is checked.
        allowed: normalised name -> sha256 of every file that the lock allows.

    Raises:
        SwappedWheelError: the sha256 of a wheel that was not compiled here is not in the lock; every such
            wheel is listed.

    """
    compiled = compiled_wheels(folder)
    files: dict[Any, FileHash] = {}
    wrong: list[str] = []
    for path in sorted(folder.glob("*.whl")) if folder else ():
        name, version, _, _ = parse_wheel_filename(path.name)
        with path.open("rb") as opened:
            digest = file_digest(opened, "sha256").hexdigest()
        files[str(name), str(version)] = FileHash(path.name, digest, size_bytes=path.stat().st_size)
        # The lock has the hash of its source, which pip checked; its own is recorded as it came out.
        if path.name not in compiled and digest not in allowed.get(name, set()):
            wrong.append(f"{path.name}: sha256 {digest}; expected one of {sorted(allowed.get(name, ()))}")
    if wrong:
        raise SwappedWheelError("\n".join([*wrong, "The lock allows none of these: build the wheels again."]))
    return files


def embedded_parts(texts: Iterable[str], owner: str) -> tuple[tuple[Component, ...], int]:
    """Return the components of CycloneDX lists inside a wheel, and how many lists could not be read."""
    parts: dict[str, Component] = {}
    unreadable = 0
    for text in texts:
        try:
            listed = json.loads(text).get("components", [])
            found = [_part(item) for item in listed if item.get("purl")]
        except (ValueError, AttributeError, TypeError, KeyError):
            unreadable += 1
            continue
        parts |= {part.purl: part for part in found if part.purl != owner}
    return tuple(part for _, part in sorted(parts.items())), unreadable


def _part(item: dict[str, Any]) -> Component:
    licences = [one.get("expression") or one.get("license", {}).get("id") for one in item.get("licenses", [])]
    return Component(
        kind="library",
        name=str(item["name"]),
        version=str(item.get("version", "")),
        purl=str(item["purl"]),
        licences=tuple(str(one) for one in licences if one),
    )


def _installed(tree: Tree, site: str, info: str) -> Installed:
    folder = f"{site}/{info}"
    metadata = email.message_from_string(tree.text(f"{folder}/METADATA"))
    if not metadata["Name"] or not metadata["Version"]:
        raise FactsError(f"{folder}/METADATA has no Name or Version; expected both. Build the image again.")
    rows = csv.reader(tree.text(f"{folder}/RECORD").splitlines())
    recorded = {posixpath.normpath(posixpath.join(site, row[0])) for row in rows if row}
    own = {path for path in tree.paths if path.startswith(f"{folder}/")}
    lists = sorted(path for path in own if path.startswith(f"{folder}/sboms/") and path.endswith(".json"))
    return Installed(site, metadata, tuple(sorted(recorded | own)), tuple(tree.text(path) for path in lists))


def _required(metadata: email.message.Message) -> list[str]:
    """Return the normalised names that a distribution requires without any extra."""
    names: list[str] = []
    for line in metadata.get_all("Requires-Dist", []):
        try:
            requirement = Requirement(str(line))
        except InvalidRequirement:
            continue
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            names.append(canonicalize_name(requirement.name))
    return names


def _licences(metadata: email.message.Message) -> tuple[str, ...]:
    if expression := metadata["License-Expression"]:
        return (str(expression),)
    short = str(metadata["License"] or "").strip()
    if short and len(short) <= SHORT_LICENCE and "\n" not in short:
        return (short,)
    classifiers = (str(line) for line in metadata.get_all("Classifier", []))
    return tuple(sorted(line.rpartition(" :: ")[2] for line in classifiers if line.startswith("License ::")))
