"""Which files of an image are public: byte for byte those of a Debian package, a locked wheel or the base."""

import re
from base64 import urlsafe_b64encode
from functools import lru_cache
from hashlib import md5, sha256
from typing import Final

from verify.distributions import WRITTEN, Wheel, same_when_loaded
from verify.image import Entry
from verify.subject import Subject

SUMMED: Final = re.compile(r"^([0-9a-f]{32})  |^ /\S+ ([0-9a-f]{32})( obsolete)?$", re.MULTILINE)
"""A line of md5sums, or of a record's Conffiles."""
OWN: Final = ("/srv/", "/models/")
"""Folders that the base image never brings."""


def is_public(subject: Subject, entry: Entry) -> bool:
    """Return whether anybody can have a file's bytes without the image; a changed file is not public."""
    data = subject.image.contents(entry)
    digest = sha256(data)
    encoded = urlsafe_b64encode(digest.digest()).rstrip(b"=").decode()
    return (
        f"sha256={encoded}" in _wheel_hashes(subject)
        or digest.hexdigest() in _model_hashes(subject)
        or is_of_debian(subject, entry)
        or _of_base(subject, entry, data)
        or _is_stripped(subject, entry, data)
    )


def is_of_debian(subject: Subject, entry: Entry) -> bool:
    """Return whether a file is one that a Debian package of the image lists, unchanged."""
    data = subject.image.contents(entry)
    return md5(data, usedforsecurity=False).hexdigest() in _debian_hashes(subject)


def is_written_by_installer(entry: Entry) -> bool:
    """Return whether a file is one that installing adds to a wheel: hashes and names of the wheel itself."""
    return "/site-packages/" in entry.path and bool(WRITTEN.search(entry.path))


@lru_cache(maxsize=1)
def _debian_hashes(subject: Subject) -> frozenset[str]:
    """Return the md5 of every file that a Debian package of the image lists, settings included."""
    records = [path for path in subject.image.tree if path.startswith("/var/lib/dpkg/")]
    matches = (match for path in records for match in SUMMED.finditer(subject.image.text(path)))
    return frozenset(match[1] or match[2] for match in matches)


@lru_cache(maxsize=1)
def _wheels(subject: Subject) -> dict[str, Wheel]:
    """Return member -> wheel; another policy compares each wheel with the lock."""
    wheels = [Wheel(path) for path in sorted(subject.wheels.glob("*.whl"))]
    return {member: wheel for wheel in wheels for member in wheel.members}


@lru_cache(maxsize=1)
def _wheel_hashes(subject: Subject) -> frozenset[str]:
    return frozenset(wheel.members[member] for member, wheel in _wheels(subject).items()) - {""}


@lru_cache(maxsize=1)
def _model_hashes(subject: Subject) -> frozenset[str]:
    models = subject.models_lock.get("models", {}).values()
    return frozenset(file["sha256"] for model in models for file in model.get("files", ()))


def _of_base(subject: Subject, entry: Entry, data: bytes) -> bool:
    place = subject.base_root / entry.path.lstrip("/")
    if entry.path.startswith(OWN) or place.is_symlink() or not place.is_file():
        return False
    return place.stat().st_size == len(data) and place.read_bytes() == data


def _is_stripped(subject: Subject, entry: Entry, data: bytes) -> bool:
    """Return whether a library is a wheel's whose symbol table alone was taken."""
    inside = entry.path.partition("/site-packages/")[2]
    wheel = _wheels(subject).get(inside)
    return wheel is not None and same_when_loaded(data, wheel.read(inside))
