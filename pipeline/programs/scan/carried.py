"""Write the records that a scan judged by: enough OSV data to do the same scan again elsewhere."""

import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from packaging.utils import canonicalize_name

from scan.advisories import DEBIAN, PYPI, Advisories
from scan.control import CONTROLS
from scan.debian_osv import release_of
from scan.errors import AdvisoryDataError
from scan.index import opened
from scan.sbom import Bill

CARRIED: Final = "advisories.json"
"""Next to the findings; OSV records, as --advisories-file takes them."""


def write_carried(bill: Bill, advisories: Path, now: datetime, out: Path) -> None:
    """Write every record about a component of the list or a control; nothing where the data was refused.

    Args:
        bill: the software list.
        advisories: OSV data, or the index that scan.index made of it.
        now: the time that the age of the data is counted from.
        out: the folder of the outputs.

    """
    records: list[dict[str, Any]] = []
    for ecosystem, names, package in _wanted(bill):
        with suppress(AdvisoryDataError):  # reported by the gate
            records += _records(opened(advisories, ecosystem), names, package, now)
    if records:
        (out / CARRIED).write_text(json.dumps(records, indent=0, sort_keys=True) + "\n", encoding="utf-8")


def _wanted(bill: Bill) -> Iterator[tuple[str, set[str], str]]:
    """Yield each ecosystem, the packages whose records are kept, and the ecosystem's name in a record."""
    python = {canonicalize_name(one.name) for one in bill.of("pypi")} | {name for name, _ in CONTROLS}
    yield PYPI, python, PYPI
    release = release_of(bill)
    sources = {f"{release}/{one.source or one.name}" for one in bill.of("deb")}
    yield DEBIAN, sources, f"{DEBIAN}:{release}"


def _records(data: Advisories, names: set[str], package: str, now: datetime) -> Iterator[dict[str, Any]]:
    """Yield a record per package it is about, and one about none that keeps the age of the whole data."""
    for name in sorted(names):
        for record, affected in data.by_name.get(name, ()):
            yield {**record, "affected": [affected]}
    yield {
        "id": f"newest of {data.records} records",
        "modified": data.newest(now).isoformat(),
        "affected": [{"package": {"ecosystem": package, "name": ""}}],
    }
