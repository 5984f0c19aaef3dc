"""Promises about installed packages: they are the locked wheels, whole, and nothing else."""

import csv
import io
import posixpath
import re
import zipfile
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from functools import cached_property
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Final

from elftools.elf.elffile import ELFFile  # type: ignore[import-not-found]
from lib.requirement_lock import LockedPin, locked_pins
from packaging.utils import canonicalize_name, parse_wheel_filename

from verify.image import Entry, Image
from verify.subject import Subject
from verify.verdict import CannotTellError, Observation, Promise

SITE: Final = "/opt/venv/lib/"
INSTALLED: Final = re.compile(r"/(?P<name>[^/]+)-(?P<version>[^-/]+)\.dist-info/(METADATA|RECORD)$")
WRITTEN: Final = re.compile(
    r"\.dist-info/(RECORD|INSTALLER|REQUESTED|direct_url\.json)$|/__pycache__/|\.pyc$|/_virtualenv\.(py|pth)$"
)
"""What installing adds to a wheel's own files."""
TAKEN: Final = re.compile(r"nvidia/cu\d+/")
"""Where libraries of NVIDIA's own image are placed, below site-packages."""
SHF_ALLOC: Final = 2
"""Flag of a section that is in memory when the program runs. Source: elf(5)."""


@dataclass(frozen=True)
class Wheel:
    """One wheel file and the hashes that its RECORD gives its members."""

    path: Path

    @cached_property
    def digest(self) -> str:
        """Return its sha256 in hex."""
        with self.path.open("rb") as opened:
            return file_digest(opened, "sha256").hexdigest()

    @cached_property
    def members(self) -> dict[str, str]:
        """Return member -> `sha256=…` as RECORD has it."""
        with zipfile.ZipFile(self.path) as archive:
            name = next(one for one in archive.namelist() if one.endswith(".dist-info/RECORD"))
            rows = csv.reader(io.StringIO(archive.read(name).decode()))
            return {_inside(row[0]): row[1] for row in rows if len(row) > 1}

    def read(self, inside: str) -> bytes:
        """Return the bytes of a member by its path below site-packages."""
        with zipfile.ZipFile(self.path) as archive:
            return next(archive.read(one) for one in archive.namelist() if _inside(one) == inside)


def pins(lock: str) -> dict[str, list[LockedPin]]:
    """Return the pins of a requirement text by normalised name."""
    found: dict[str, list[LockedPin]] = {}
    for pin in locked_pins(lock):
        found.setdefault(pin.name, []).append(pin)
    return found


def locked(subject: Subject) -> Observation:
    """Compare what is installed with the lock, by name and version, both ways."""
    wanted = {name: one.version for name, all_ in pins(subject.lock).items() for one in all_ if one.applies}
    found = _installed(subject.image)
    if not wanted and not found:
        raise CannotTellError("the variant installs no packages")
    wrong = [f"{name} {version} is in no lock" for name, version in found.items() if name not in wanted]
    wrong += [
        f"{name} {found[name]} instead of the locked {version}" if name in found else f"{name} is missing"
        for name, version in wanted.items()
        if found.get(name) != version
    ]
    return Observation(wrong, f"{len(found)} packages")


def whole(subject: Subject) -> Observation:
    """Compare every installed file with the wheel it came from, and every wheel with the lock."""
    locks = pins(subject.lock)
    wheels = [Wheel(path) for path in sorted(subject.wheels.glob("*.whl"))]
    built = _built(subject.wheels)
    wrong = []
    for wheel in wheels:
        name, version, _, _ = parse_wheel_filename(wheel.path.name)
        allowed = {one for pin in locks.get(name, ()) for one in pin.hashes if pin.version == str(version)}
        if wheel.digest not in allowed and wheel.path.name not in built:
            wrong.append(f"{wheel.path.name} has a sha256 that the lock does not allow")
    sources = {member: wheel for wheel in wheels for member in wheel.members}
    files = [entry for entry in subject.image.files if entry.path.startswith(SITE)]
    checked = 0
    for entry in files:
        inside = entry.path.partition("/site-packages/")[2]
        if not inside or WRITTEN.search(entry.path):
            continue
        if subject.facts.cuda_image and TAKEN.match(inside):
            continue
        checked += 1
        if inside not in sources:
            wrong.append(f"{entry.path} is of no locked wheel")
        elif not _same(subject.image, entry, sources[inside], inside):
            wrong.append(f"{entry.path} differs from {sources[inside].path.name}")
    return Observation(wrong, f"{checked} files of {len(wheels)} wheels")


def _built(wheels: Path) -> set[str]:
    """Return the wheels that were compiled from locked sources: they have no locked hash of their own."""
    listing = wheels / "built.txt"
    return set(listing.read_text().splitlines()) if listing.exists() else set()


def _installed(image: Image) -> dict[str, str]:
    matches = (INSTALLED.search(path) for path in image.tree if path.startswith(SITE))
    return {canonicalize_name(match["name"]): match["version"] for match in matches if match}


def recorded(image: Image) -> dict[str, str]:
    """Return the paths that the installed distributions list as their own, each with its hash, or ""."""
    records = [path for path in image.tree if path.startswith(SITE) and path.endswith(".dist-info/RECORD")]
    return {
        posixpath.normpath(posixpath.join(posixpath.dirname(record), "..", row[0])): row[1] if row[1:] else ""
        for record in records
        for row in csv.reader(io.StringIO(image.text(record)))
        if row
    }


def records(subject: Subject) -> Observation:
    """Compare what each RECORD lists with the files that are there."""
    listed, wrong = recorded(subject.image), []
    if not listed:
        raise CannotTellError("the variant installs no packages")
    for path, digest in sorted(listed.items()):
        entry = subject.image.tree.get(path)
        if entry is None and digest:
            wrong.append(f"{path} is listed and not there")
        elif entry and digest and digest != _encoded(subject.image.contents(entry)):
            wrong.append(f"{path} has another hash than its RECORD says")
    return Observation(wrong, f"{len(listed)} files")


def _encoded(data: bytes) -> str:
    """Return a hash as RECORD writes it. Source: PyPA's binary distribution format."""
    return f"sha256={urlsafe_b64encode(sha256(data).digest()).rstrip(b'=').decode()}"


def _same(image: Image, entry: Entry, wheel: Wheel, inside: str) -> bool:
    data = image.contents(entry)
    if wheel.members[inside] in (_encoded(data), ""):
        return True
    return same_when_loaded(data, wheel.read(inside))


def same_when_loaded(data: bytes, original: bytes) -> bool:
    """Return whether an ELF file is another one without its symbols, or with fewer links."""
    if data[:4] != b"\x7fELF" or original[:4] != b"\x7fELF":
        return False
    return _loaded(data) == _loaded(original) and set(_dynamic(data)) <= set(_dynamic(original))


def _loaded(data: bytes) -> dict[tuple[str, int], bytes]:
    """Return the sections that are mapped but .dynamic, by name and address: stripping leaves them."""
    sections = ELFFile(io.BytesIO(data)).iter_sections()
    return {
        (part.name, part["sh_addr"]): part.data()
        for part in sections
        if part["sh_flags"] & SHF_ALLOC and part["sh_type"] not in ("SHT_NOBITS", "SHT_DYNAMIC")
    }


def _dynamic(data: bytes) -> list[tuple[str, int]]:
    """Return the entries of .dynamic: links to dropped libraries may be missing, none may be new."""
    part = next(iter(ELFFile(io.BytesIO(data)).iter_segments("PT_DYNAMIC")), None)
    return [(str(tag.entry.d_tag), int(tag.entry.d_val)) for tag in part.iter_tags()] if part else []


def _inside(member: str) -> str:
    """Return where a member is installed below site-packages: wheels may keep some in NAME.data."""
    match = re.match(r"^[^/]+\.data/(purelib|platlib)/(.*)$", member)
    return match[2] if match else member


PROMISES: Final = (
    Promise(
        "packages match the lock",
        locked,
        "each pin of the lock installed, and nothing else",
        "Run `make lock` if the lock is old; never install anything else.",
    ),
    Promise(
        "package files match the wheels",
        whole,
        "every file as its wheel has it (ELF files: everything that is loaded), every wheel by a locked hash",
        "Find what changes files after the wheels are installed, and build the image again.",
    ),
    Promise(
        "package records tell the truth",
        records,
        "every file that a RECORD lists, with the hash that it says: inventories are read from there",
        "Rewrite RECORD where files are dropped or changed after the wheels are installed.",
    ),
)
