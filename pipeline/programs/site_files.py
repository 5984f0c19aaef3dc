"""Files of a site-packages folder: which module each one is, and which distribution it belongs to."""

import base64
import csv
import hashlib
import os
from collections.abc import Iterable
from pathlib import Path, PurePosixPath


def module_name(path: str) -> str:
    """Return the dotted name that imports a file below site-packages, "" where none does."""
    if path.endswith(".py"):
        stem = path.removesuffix(".py").removesuffix("/__init__")
    elif path.endswith(".so"):
        folder, _, name = path.rpartition("/")
        stem = f"{folder}/{name.partition('.')[0]}".lstrip("/")
    else:
        return ""
    parts = stem.split("/")
    return ".".join(parts) if all(part.isidentifier() for part in parts) else ""


def owners(site: Path) -> dict[str, str]:
    """Return file below site-packages -> `name version` of the distribution whose RECORD lists it."""
    found: dict[str, str] = {}
    for record in sorted(site.glob("*.dist-info/RECORD")):
        name = record.parent.name.removesuffix(".dist-info").replace("-", " ")
        found |= {_normal(row[0]): name for row in _rows(record)}
    return found


def rewrite_records(site: Path, dropped: set[str], changed: Iterable[str]) -> None:
    """Make each RECORD list what is there: dropped files go, changed ones get their new hash and size.

    Args:
        site: the site-packages folder.
        dropped: paths relative to it; `../` leads out of it, as RECORD writes scripts.
        changed: likewise.

    """
    new = {path: _entry(site / path) for path in changed}
    for record in site.glob("*.dist-info/RECORD"):
        rows = _rows(record)
        kept = [
            [row[0], *new.get(_normal(row[0]), row[1:])] for row in rows if _normal(row[0]) not in dropped
        ]
        if kept != rows:
            with record.open("w", newline="") as stream:
                csv.writer(stream, lineterminator="\n").writerows(kept)


def _entry(path: Path) -> list[str]:
    """Return hash and size as RECORD writes them. Source: PyPA's binary distribution format."""
    data = path.read_bytes()
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return [f"sha256={digest}", str(len(data))]


def _rows(record: Path) -> list[list[str]]:
    with record.open(newline="") as stream:
        return [row for row in csv.reader(stream) if row]


def _normal(name: str) -> str:
    return PurePosixPath(os.path.normpath(name)).as_posix()
