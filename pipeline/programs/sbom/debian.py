"""Debian packages of an image, from the records that dpkg or a distroless image keeps."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from lib.deb822 import is_installed, stanzas

from sbom.errors import UnlistedImageError
from sbom.facts import Component
from sbom.tree import Tree

STATUS: Final = "/var/lib/dpkg/status"
STATUS_D: Final = "/var/lib/dpkg/status.d"
LICENCE: Final = re.compile(r"^License:[ \t]*(\S[^\n]*)$", re.MULTILINE)
LIBC: Final = re.compile(r"/libc\.so\.6$|/ld-musl-[^/]*\.so\.1$")


@dataclass(frozen=True, slots=True)
class DebianPackage:
    """One package with the files that its records name."""

    fields: dict[str, str]
    claimed: tuple[str, ...]
    """Absolute canonical paths."""

    def component(self, tree: Tree) -> Component:
        """Return the package as a component; its licences are those of its copyright file."""
        name, version = self.fields["Package"], self.fields["Version"]
        source, _, source_version = self.fields.get("Source", name).partition(" ")
        known = {"wheelhouse:source": source, "wheelhouse:source-version": source_version.strip("()")}
        return Component(
            kind="library",
            name=name,
            version=version,
            purl=debian_purl(self.fields, tree),
            licences=_licences(tree.text(f"/usr/share/doc/{name}/copyright")),
            properties=tuple((key, value) for key, value in known.items() if value),
        )


def debian_purl(fields: dict[str, str], tree: Tree) -> str:
    """Return `pkg:deb/debian/NAME@VERSION?arch=…&distro=debian-13`."""
    release = os_release(tree)
    distribution = release.get("ID", "debian")
    version = quote(fields["Version"], safe="")
    place = f"{distribution}-{release.get('VERSION_ID', 'unknown')}"
    return (
        f"pkg:deb/{distribution}/{fields['Package']}@{version}?arch={fields['Architecture']}&distro={place}"
    )


def debian_packages(tree: Tree) -> list[DebianPackage]:
    """Return the installed packages.

    Raises:
        UnlistedImageError: the image has a C library but no package record: its packages cannot be named.

    """
    found = [*_from_status_d(tree), *_from_status(tree)]
    if not found and any(LIBC.search(path) for path in tree.paths):
        raise UnlistedImageError(
            f"the image has shared libraries but neither {STATUS} nor records in {STATUS_D}; expected one "
            "record per Debian package. Keep them when the image is made smaller: no scanner can name "
            "its packages without them."
        )
    return found


def os_release(tree: Tree) -> dict[str, str]:
    """Return the fields of /usr/lib/os-release."""
    lines = (line.partition("=") for line in tree.text("/usr/lib/os-release").splitlines())
    return {key: value.strip('"') for key, separator, value in lines if separator}


def _from_status_d(tree: Tree) -> Iterator[DebianPackage]:
    for path in tree.paths:
        if not path.startswith(f"{STATUS_D}/") or path.endswith((".md5sums", ".list")):
            continue
        for fields in _record(tree, path):
            claimed = [*_summed(tree, f"{path}.md5sums"), *_listed(tree, f"{path}.list"), *_conffiles(fields)]
            yield DebianPackage(fields, _canonical(tree, claimed))


def _from_status(tree: Tree) -> Iterator[DebianPackage]:
    info = "/var/lib/dpkg/info"
    for fields in filter(is_installed, _record(tree, STATUS)):
        stems = (fields["Package"], f"{fields['Package']}:{fields['Architecture']}")
        claimed = [path for stem in stems for path in _listed(tree, f"{info}/{stem}.list")]
        records = [path for stem in stems for path in tree.paths if path.startswith(f"{info}/{stem}.")]
        yield DebianPackage(fields, _canonical(tree, [*claimed, *records, *_conffiles(fields)]))


def _record(tree: Tree, path: str) -> Iterator[dict[str, str]]:
    """Yield the stanzas of a file that name package, version and architecture."""
    return (one for one in stanzas(tree.text(path)) if {"Package", "Version", "Architecture"} <= one.keys())


def _summed(tree: Tree, path: str) -> list[str]:
    """Return the paths of an md5sums record."""
    return [f"/{line.partition('  ')[2]}" for line in tree.text(path).splitlines() if "  " in line]


def _listed(tree: Tree, path: str) -> list[str]:
    return [line for line in tree.text(path).splitlines() if line not in ("", "/.")]


def _conffiles(fields: dict[str, str]) -> list[str]:
    return [line.split()[0] for line in fields.get("Conffiles", "").splitlines() if line.strip()]


def _canonical(tree: Tree, paths: list[str]) -> tuple[str, ...]:
    return tuple(sorted({tree.canonical(path) for path in paths}))


def _licences(copyright_text: str) -> tuple[str, ...]:
    """Return the short names of a machine-readable copyright file, sorted; none of a free text."""
    if not copyright_text.startswith("Format:"):
        return ()
    return tuple(sorted({match.strip() for match in LICENCE.findall(copyright_text)}))
