"""Write the records that a scan judged by: enough OSV data to do the same scan again elsewhere."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from packaging.utils import canonicalize_name

from scan.advisories import Advisories
from scan.bill import Bill
from scan.control import CONTROLS
from scan.errors import AdvisoryDataError
from scan.python import opened

CARRIED: Final = "advisories.json"
"""Beside the findings; OSV records, as --advisories-file takes them."""


def write_carried(bill: Bill, advisories: Path, now: datetime, out: Path) -> None:
    """Write every record about a component of the list or a control; nothing where the data was refused.

    Args:
        bill: the software list.
        advisories: OSV data, or the index that scan.index made of it.
        now: the time that the age of the data is counted from.
        out: the folder of the outputs.

    """
    try:
        data = opened(advisories)
        records = list(_records(bill, data, now))
    except AdvisoryDataError:  # the gate tells it
        return
    (out / CARRIED).write_text(json.dumps(records, indent=0, sort_keys=True) + "\n", encoding="utf-8")


def _records(bill: Bill, data: Advisories, now: datetime) -> Iterator[dict[str, Any]]:
    """Yield a record per package it is about, and one about none that keeps the age of the whole data."""
    names = {canonicalize_name(one.name) for one in bill.of("pypi")} | {name for name, _ in CONTROLS}
    for name in sorted(names):
        for record, affected in data.by_name.get(name, ()):
            yield {**record, "affected": [affected]}
    newest = data.newest(now).isoformat()
    yield {"id": f"newest of {data.records} records", "modified": newest, "affected": []}
