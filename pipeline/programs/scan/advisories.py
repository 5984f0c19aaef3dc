"""Load OSV records from a folder, a zip or a JSON file; anything doubtful is refused by name."""

import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from packaging.utils import canonicalize_name

from scan.errors import AbsentDataError, AdvisoryDataError

LARGEST_BYTES: Final = 64 * 10**6
"""Largest accepted record or list of records, unpacked. The largest known record has 1.2 MB."""
FUTURE: Final = timedelta(days=1)
"""A record dated later than this after now does not make the data fresh: clocks differ by less."""
SHOWN: Final = 3
"""Names of files that a message shows."""
EXPECTED: Final = "OSV records as JSON: a folder, a zip (all.zip of an OSV export) or one file"


PYPI: Final = "PyPI"
DEBIAN: Final = "Debian"
FOUND: Final = {PYPI: "of a PyPI package", DEBIAN: "of a Debian package"}
REPEATED: Final = ("DSA-", "DLA-", "DTSA-")
"""Debian's own advisories; the CVEs that they name have records of their own."""

Entry = tuple[dict[str, Any], dict[str, Any]]
"""A record and one of its `affected` entries."""


@dataclass(frozen=True, slots=True)
class Advisories:
    """Records of one ecosystem."""

    by_name: Mapping[str, Sequence[Entry]]
    """Normalised name of a Python package, or `RELEASE/SOURCE` of a Debian one -> what is known of it."""
    modified: tuple[float, ...]
    """When each record was changed, in seconds since 1970, newest first."""
    withdrawn: int

    @property
    def records(self) -> int:
        """Return how many records were read."""
        return len(self.modified)

    def newest(self, now: datetime) -> datetime:
        """Return the latest change that is not in the future; 1970 where all are."""
        latest = next((time for time in self.modified if time <= _latest(now)), 0.0)
        return datetime.fromtimestamp(latest, UTC)

    def future(self, now: datetime) -> int:
        """Return how many records are dated in the future."""
        return sum(time > _latest(now) for time in self.modified)

    def age_days(self, now: datetime) -> float:
        """Return the age of the newest record in days, rounded to a tenth."""
        return round(max((now - self.newest(now)).total_seconds(), 0) / 86400, 1)


@dataclass(slots=True)
class _Collected:
    """Records of one ecosystem while they are read."""

    by_name: dict[str, list[Entry]] = field(default_factory=dict)
    times: list[float] = field(default_factory=list)
    withdrawn: int = 0

    def add(self, record: dict[str, Any], modified: float, entries: Sequence[tuple[str, Any]]) -> None:
        """Add a record with its entries, each under the name of its package."""
        self.times.append(modified)
        if record.get("withdrawn"):
            self.withdrawn += 1
            return
        for name, entry in entries:
            self.by_name.setdefault(name, []).append((record, entry))

    @property
    def advisories(self) -> Advisories:
        """Return what was read."""
        return Advisories(self.by_name, tuple(sorted(self.times, reverse=True)), self.withdrawn)


def load_advisories(place: Path, ecosystem: str = PYPI) -> Advisories:
    """Return the records of one ecosystem below a folder or in a file.

    Raises:
        AdvisoryDataError: absent, empty, no JSON, truncated, not OSV, or nothing about the ecosystem.

    """
    return load_ecosystems(place)[ecosystem]


def load_ecosystems(place: Path, debian_release: str = "") -> "Ecosystems":
    """Return the records below a folder or in a file, by ecosystem.

    Args:
        place: the folder or file.
        debian_release: the one release whose records are kept, `13`; "" for all.

    Raises:
        AdvisoryDataError: absent, empty, no JSON, truncated or not OSV.

    """
    found = {PYPI: _Collected(), DEBIAN: _Collected()}
    total = 0
    for where, text in _texts(place):
        for record in _records(where, text):
            total += 1
            modified = _modified(where, record).timestamp()
            for ecosystem, entries in _by_ecosystem(where, record, debian_release).items():
                found[ecosystem].add(record, modified, entries)
    if not total:
        raise AdvisoryDataError(
            f"{place.name} holds no advisory ({_seen(place)}); expected {EXPECTED}. Fetch the data again."
        )
    return Ecosystems({name: one.advisories for name, one in found.items()})


@dataclass(frozen=True, slots=True)
class Ecosystems:
    """Advisory data by ecosystem."""

    known: Mapping[str, Advisories]

    def __getitem__(self, ecosystem: str) -> Advisories:
        """Return the records of an ecosystem.

        Raises:
            AbsentDataError: there are none.

        """
        known = self.known[ecosystem]
        if not known.by_name:
            raise AbsentDataError(
                f"the data has no advisory {FOUND[ecosystem]}. Fetch the data of the {ecosystem} ecosystem."
            )
        return known


def _by_ecosystem(
    where: str, record: dict[str, Any], debian_release: str
) -> dict[str, list[tuple[str, dict[str, Any]]]]:
    """Return the entries of a record by ecosystem, each with the name of its package."""
    found: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    for entry in record.get("affected") or []:
        package = entry.get("package", {})
        if not isinstance(package, dict):
            raise AdvisoryDataError(f"{where}: `package` is not an object; expected {EXPECTED}.")
        ecosystem, _, release = str(package.get("ecosystem", "")).partition(":")
        name = str(package.get("name", ""))
        if ecosystem.lower() == PYPI.lower():
            found.setdefault(PYPI, []).append((canonicalize_name(name), entry))
        elif ecosystem == DEBIAN and debian_release in {"", release} and not _repeats(record):
            found.setdefault(DEBIAN, []).append((f"{release}/{name}", _without_versions(entry)))
    return found


def _repeats(record: dict[str, Any]) -> bool:
    """Return whether a record only names CVEs that have records of their own."""
    return record["id"].startswith(REPEATED) and bool(record.get("upstream") or record.get("aliases"))


def _without_versions(entry: dict[str, Any]) -> dict[str, Any]:
    """Return an entry without its list of versions, often thousands, where ranges say the same."""
    if any(one.get("type") == "ECOSYSTEM" for one in entry.get("ranges") or []):
        return {key: value for key, value in entry.items() if key != "versions"}
    return entry


def _latest(now: datetime) -> float:
    return (now + FUTURE).timestamp()


def _texts(place: Path) -> Iterator[tuple[str, bytes]]:
    """Yield (where, bytes) of every JSON text of a folder, a zip or a file."""
    if not place.exists():
        raise AdvisoryDataError(f"{place} does not exist; expected {EXPECTED}. Pass --advisories.")
    if place.is_dir():
        for path in sorted(place.rglob("*")):
            if path.suffix in (".json", ".zip"):
                yield from _texts(path)
    elif place.suffix == ".zip" or zipfile.is_zipfile(place):
        yield from _members(place)
    else:
        yield place.name, place.read_bytes()


def _seen(place: Path) -> str:
    """Return what was there instead of records, for a message."""
    names = (
        sorted(path.name for path in place.rglob("*") if path.is_file()) if place.is_dir() else [place.name]
    )
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"found {', '.join(names[:SHOWN])}{more}" if names else "it is empty"


def _members(place: Path) -> Iterator[tuple[str, bytes]]:
    try:
        with zipfile.ZipFile(place) as archive:
            for member in archive.infolist():
                if member.file_size > LARGEST_BYTES:
                    raise AdvisoryDataError(
                        f"{place.name}: {member.filename} unpacks to {member.file_size} bytes; expected at "
                        f"most {LARGEST_BYTES}. Fetch the data again."
                    )
                if member.filename.endswith(".json"):
                    yield f"{place.name}: {member.filename}", archive.read(member)
    except (zipfile.BadZipFile, EOFError, OSError, NotImplementedError) as error:
        raise AdvisoryDataError(
            f"{place.name} is not a valid zip archive (truncated or corrupt): {error}; "
            f"expected {EXPECTED}. Fetch the data again."
        ) from error


def _records(where: str, text: bytes) -> Iterator[dict[str, Any]]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise AdvisoryDataError(f"{where}: {error}; expected {EXPECTED}. Fetch the data again.") from error
    if isinstance(content, dict) and isinstance(content.get("vulns"), list):
        content = content["vulns"]
    for record in content if isinstance(content, list) else [content]:
        if not _is_whole(record):
            raise AdvisoryDataError(f"{where}: no OSV record (id, modified, affected); expected {EXPECTED}.")
        yield record


def _is_whole(record: Any) -> bool:
    """Return whether a record has OSV's shape, as far as it is read; bounds are judged one by one."""
    if not isinstance(record, dict) or not isinstance(record.get("id"), str):
        return False
    affected = record.get("affected") or []
    rated = [record, *affected] if _lists(affected, dict) else []
    return (
        bool(rated)
        and all(isinstance(record.get(key), list | None) for key in ("aliases", "upstream"))
        and all(_lists(one.get("severity"), dict) for one in rated)
        and all(isinstance(one.get("versions"), list | None) for one in affected)
        and all(_lists(one.get("ranges"), dict) for one in affected)
    )


def _lists(value: Any, kind: type) -> bool:
    """Return whether a value is a list of a kind; nothing is as good as an empty one."""
    return value is None or (isinstance(value, list) and all(isinstance(one, kind) for one in value))


def _modified(where: str, record: dict[str, Any]) -> datetime:
    try:
        time = datetime.fromisoformat(str(record["modified"]))
    except (KeyError, ValueError) as error:
        raise AdvisoryDataError(
            f"{where}: {record['id']} has no readable `modified` ({error}); expected an ISO 8601 time: "
            "the age of the data is judged by it."
        ) from error
    return time if time.tzinfo else time.replace(tzinfo=UTC)
