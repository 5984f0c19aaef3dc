"""Sort OSV records by package once, so that a scan opens only those of the packages that it judges.

    python3 -m scan.index --advisories DIR|ZIP|JSON --out DIR [--release 13]

Writes DIR/data.json (facts about each ecosystem, and the place of each package's records) and DIR/records
(one JSON text per package). Of Debian's records only those of one release are kept: by default that of the
system it runs on. Data that cannot be trusted gives a data.json that says why: exit status 0, because the
scan must report it.
"""

import argparse
import gc
import json
import platform
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from scan.advisories import PYPI, Advisories, Ecosystems, Entry, load_advisories, load_ecosystems
from scan.errors import AdvisoryDataError

DATA = "data.json"
RECORDS = "records"
"""One file: an engine stores 1,500 small ones more slowly than it finds a place in a large one."""
LONGEST_SUMMARY = 300
READ = ("id", "modified", "aliases", "upstream", "severity", "database_specific", "summary")
"""What a scan reads of a record besides the entry that is about the package (match, severity, carried)."""


def main() -> int:
    """Return 0 once the index or the refusal is written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--advisories", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--release", default="", help="Debian release; default: of the system it runs on")
    options = parser.parse_args()
    gc.disable()  # nothing that is read is garbage before the end: a tenth of the time
    write_index(options.advisories, options.out, options.release or _release())
    return 0


def write_index(place: Path, out: Path, debian_release: str = "") -> None:
    """Write the index of the records below a folder or in a file."""
    out.mkdir(parents=True, exist_ok=True)
    try:
        data = load_ecosystems(place, debian_release)
    except AdvisoryDataError as error:
        _write(out / DATA, {"refused": str(error)})
        return
    known: dict[str, Any] = {"ecosystems": {}}
    with (out / RECORDS).open("wb") as records:
        for ecosystem, advisories in data.known.items():
            places: dict[str, tuple[int, int]] = {}
            for name, entries in advisories.by_name.items():
                text = json.dumps([(_read(record), entry) for record, entry in entries]).encode()
                places[name] = records.tell(), len(text)
                records.write(text)
            known["ecosystems"][ecosystem] = {
                "modified": advisories.modified,
                "withdrawn": advisories.withdrawn,
                "places": places,
            }
    _write(out / DATA, known)


def _read(record: dict[str, Any]) -> dict[str, Any]:
    """Return what a scan reads of a record; the long text only where there is no short one."""
    kept = {key: record[key] for key in READ if key in record}
    if record.get("summary") or not (details := str(record.get("details") or "").strip()):
        return kept
    return {**kept, "details": details.splitlines()[0][:LONGEST_SUMMARY]}


def open_index(folder: Path, ecosystem: str = PYPI) -> Advisories:
    """Return the records of an index; those of a package are read when it is asked for.

    Raises:
        AdvisoryDataError: the data was refused when the index was made, or this is not an index.

    """
    try:
        known = json.loads((folder / DATA).read_text(encoding="utf-8"))
        if "refused" in known:
            raise AdvisoryDataError(known["refused"])
        indexed = {
            name: Advisories(
                _Packages(folder / RECORDS, one["places"]), tuple(one["modified"]), one["withdrawn"]
            )
            for name, one in known["ecosystems"].items()
        }
        return Ecosystems(indexed)[ecosystem]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AdvisoryDataError(
            f"{folder} is not an index of advisories: {error!r}; expected what scan.index writes."
        ) from error


def opened(place: Path, ecosystem: str = PYPI) -> Advisories:
    """Return OSV data of an ecosystem, or what an index has of it.

    Raises:
        AdvisoryDataError: neither can be trusted.

    """
    return open_index(place, ecosystem) if (place / DATA).is_file() else load_advisories(place, ecosystem)


def _release() -> str:
    """Return the release of the Debian that this runs on, `13`; "" for another system."""
    system = platform.freedesktop_os_release()
    return system.get("VERSION_ID", "") if system.get("ID") == "debian" else ""


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
            raise AdvisoryDataError(
                f"{name} of the index cannot be read: {error}. Create it again."
            ) from error
        return [(record, affected) for record, affected in entries]

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def _write(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
