"""Sort OSV records by package once, so that a scan opens only those of the packages that it judges.

    python3 -m scan.index --advisories DIR|ZIP|JSON --out DIR

Writes DIR/data.json (what is known of the data as a whole) and one file per package. Data that
cannot be trusted makes a data.json that says why: exit status 0, for the scan must tell it.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from scan.advisories import Advisories, Entry, load_advisories
from scan.errors import AdvisoryDataError

DATA = "data.json"
READ = ("id", "aliases", "severity", "database_specific", "summary", "details")
"""What a scan reads of a record beside the entry that is about the package (match.py, severity.py)."""


def main() -> int:
    """Return 0 once the index or the refusal is written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--advisories", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    write_index(options.advisories, options.out)
    return 0


def write_index(place: Path, out: Path) -> None:
    """Write the index of the records below a folder or in a file."""
    packages = out / "packages"
    packages.mkdir(parents=True, exist_ok=True)
    try:
        data = load_advisories(place)
    except AdvisoryDataError as error:
        _write(out / DATA, {"refused": str(error)})
        return
    for name, entries in data.by_name.items():
        kept = [({key: record[key] for key in READ if key in record}, entry) for record, entry in entries]
        _write(packages / _file_name(name), kept)
    whole = {"modified": data.modified, "withdrawn": data.withdrawn, "names": sorted(data.by_name)}
    _write(out / DATA, whole)


def open_index(folder: Path) -> Advisories:
    """Return the records of an index; those of a package are read when it is asked for.

    Raises:
        AdvisoryDataError: the data was refused when the index was made, or this is no index.

    """
    try:
        known = json.loads((folder / DATA).read_text(encoding="utf-8"))
        if "refused" in known:
            raise AdvisoryDataError(known["refused"])
        names = frozenset(known["names"])
        return Advisories(_Packages(folder / "packages", names), tuple(known["modified"]), known["withdrawn"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AdvisoryDataError(
            f"{folder} is no index of advisories: {error!r}; expected what scan.index writes."
        ) from error


class _Packages(Mapping[str, Sequence[Entry]]):
    """Read the records of a package from its file."""

    def __init__(self, folder: Path, names: frozenset[str]) -> None:
        self._folder, self._names = folder, names

    def __getitem__(self, name: str) -> Sequence[Entry]:
        if name not in self._names:
            raise KeyError(name)
        path = self._folder / _file_name(name)
        try:
            entries = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise AdvisoryDataError(
                f"{path.name} of the index cannot be read: {error}. Make it anew."
            ) from error
        return [(record, affected) for record, affected in entries]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _file_name(name: str) -> str:
    """Return where a package's records lie: foreign data names packages, so no name becomes a path."""
    return f"{sha256(name.encode()).hexdigest()}.json"


def _write(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
