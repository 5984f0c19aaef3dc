"""Sort OSV records by package once, so that a scan opens only those of the packages that it judges.

    python3 -m scan.index --advisories DIR|ZIP|JSON --out DIR

Writes DIR/data.json (what is known of the data as a whole, and where each package's records lie) and
DIR/records (one JSON text per package). Data that cannot be trusted makes a data.json that says why: exit
status 0, for the scan must tell it.
"""

import argparse
import gc
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from scan.advisories import Advisories, Entry, load_advisories
from scan.errors import AdvisoryDataError

DATA = "data.json"
RECORDS = "records"
"""One file: an engine stores 1,500 small ones more slowly than it finds a place in a large one."""
READ = ("id", "modified", "aliases", "severity", "database_specific", "summary")
"""What a scan reads of a record beside the entry that is about the package (match, severity, carried)."""


def main() -> int:
    """Return 0 once the index or the refusal is written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--advisories", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    gc.disable()  # nothing that is read is garbage before the end: a tenth of the time
    write_index(options.advisories, options.out)
    return 0


def write_index(place: Path, out: Path) -> None:
    """Write the index of the records below a folder or in a file."""
    out.mkdir(parents=True, exist_ok=True)
    try:
        data = load_advisories(place)
    except AdvisoryDataError as error:
        _write(out / DATA, {"refused": str(error)})
        return
    places: dict[str, tuple[int, int]] = {}
    with (out / RECORDS).open("wb") as records:
        for name, entries in data.by_name.items():
            text = json.dumps([(_read(record), entry) for record, entry in entries]).encode()
            places[name] = records.tell(), len(text)
            records.write(text)
    _write(out / DATA, {"modified": data.modified, "withdrawn": data.withdrawn, "places": places})


def _read(record: dict[str, Any]) -> dict[str, Any]:
    """Return what a scan reads of a record; the long text only where there is no short one."""
    keys = READ if record.get("summary") else (*READ, "details")
    return {key: record[key] for key in keys if key in record}


def open_index(folder: Path) -> Advisories:
    """Return the records of an index; those of a package are read when it is asked for.

    Raises:
        AdvisoryDataError: the data was refused when the index was made, or this is no index.

    """
    try:
        known = json.loads((folder / DATA).read_text(encoding="utf-8"))
        if "refused" in known:
            raise AdvisoryDataError(known["refused"])
        packages = _Packages(folder / RECORDS, known["places"])
        return Advisories(packages, tuple(known["modified"]), known["withdrawn"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AdvisoryDataError(
            f"{folder} is no index of advisories: {error!r}; expected what scan.index writes."
        ) from error


class _Packages(Mapping[str, Sequence[Entry]]):
    """Read the records of a package when they are asked for."""

    def __init__(self, path: Path, places: dict[str, tuple[int, int]]) -> None:
        self._path, self._places = path, places

    def __getitem__(self, name: str) -> Sequence[Entry]:
        start, length = self._places[name]
        try:
            with self._path.open("rb") as records:
                records.seek(start)
                entries = json.loads(records.read(length))
        except (OSError, ValueError) as error:
            raise AdvisoryDataError(f"{name} of the index cannot be read: {error}. Make it anew.") from error
        return [(record, affected) for record, affected in entries]

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def _write(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
