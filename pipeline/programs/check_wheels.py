"""Refuse wheels that would write where they must not, or are not what they say.

    check_wheels.py DIR

Checked for every wheel of DIR before anything is unpacked: file name, dist-info folder and METADATA
agree; members stay inside the environment and are plain files; no member unpacks to more than
MAX_RATIO times its packed size, no wheel to more than MAX_BYTES; no two wheels write one file with
different bytes. Every finding is printed; exit status 1 when there is one.
"""

import email
import stat
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

MAX_RATIO = 200
"""Largest unpacked/packed ratio of a member. Deflate reaches 1032; real members stay below 60."""
RATIO_FREE_BYTES = 1_000_000
"""Members that unpack to less may have any ratio: small files of zeros are common."""
MAX_BYTES = 4_000_000_000
"""Largest unpacked wheel. The largest known, torch for CUDA 13, unpacks to 1.15 GB."""
MAX_MEMBERS = 100_000
"""Most members of a wheel. The largest known have about 15,000."""


def main() -> int:
    """Return 1 when a wheel is refused."""
    owners: dict[str, tuple[str, int, int]] = {}
    findings: list[str] = []
    for path in sorted(Path(sys.argv[1]).glob("*.whl")):
        try:
            findings += [f"{path.name}: {finding}" for finding in _findings(path, owners)]
        except (zipfile.BadZipFile, KeyError, InvalidWheelFilename, InvalidVersion) as error:
            findings.append(f"{path.name}: no readable wheel: {error}")
    for finding in findings:
        print(f"refused wheel {finding}", file=sys.stderr)
    return 1 if findings else 0


def _findings(path: Path, owners: dict[str, tuple[str, int, int]]) -> Iterator[str]:
    name, version, _, _ = parse_wheel_filename(path.name)
    with zipfile.ZipFile(path) as wheel:
        members = wheel.infolist()
        outside = [finding for member in members if (finding := _outside(member))]
        yield from outside
        yield from _bombs(members)
        if not outside:
            yield from _misnamed(wheel, str(name), version)
            yield from _overwrites(members, str(name), owners)


def _outside(member: zipfile.ZipInfo) -> str:
    """Return why a member would leave the environment, or ""."""
    # orig_filename: zipfile itself cuts names at NUL and turns the platform's separator.
    raw = member.orig_filename
    parts = PurePosixPath(raw).parts
    if raw.startswith("/") or ".." in parts or "\\" in raw or "\0" in raw or raw[1:2] == ":":
        return f"member {raw!r} points outside of the environment"
    mode = member.external_attr >> 16
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return f"member {raw!r} is a link or device"
    return ""


def _bombs(members: list[zipfile.ZipInfo]) -> Iterator[str]:
    if len(members) > MAX_MEMBERS:
        yield f"{len(members)} members, at most {MAX_MEMBERS} accepted"
    total = sum(member.file_size for member in members)
    if total > MAX_BYTES:
        yield f"unpacks to {total} bytes, at most {MAX_BYTES} accepted"
    for member in members:
        if member.file_size > max(RATIO_FREE_BYTES, MAX_RATIO * member.compress_size):
            yield (
                f"member {member.filename!r} unpacks {member.compress_size} to {member.file_size} bytes, "
                f"at most {MAX_RATIO}:1 accepted"
            )


def _misnamed(wheel: zipfile.ZipFile, name: str, version: Version) -> Iterator[str]:
    infos = {
        part for part in (member.split("/")[0] for member in wheel.namelist()) if part.endswith(".dist-info")
    }
    if len(infos) != 1:
        yield f"{len(infos)} dist-info folders ({', '.join(sorted(infos))}), exactly one expected"
        return
    info = infos.pop()
    metadata = email.message_from_bytes(wheel.read(f"{info}/METADATA"))
    found = (canonicalize_name(metadata["Name"] or ""), metadata["Version"] or "")
    if found[0] != name or not found[1] or Version(found[1]) != version:
        yield f"its METADATA says {found[0]} {found[1]}, its file name says {name} {version}"
    folder_name, _, folder_version = info.removesuffix(".dist-info").partition("-")
    if canonicalize_name(folder_name) != name or Version(folder_version) != version:
        yield f"its folder {info} does not belong to {name} {version}"


def _overwrites(
    members: list[zipfile.ZipInfo], name: str, owners: dict[str, tuple[str, int, int]]
) -> Iterator[str]:
    """Yield members that another wheel writes too, unless both write the same bytes."""
    for member in members:
        if member.is_dir():
            continue
        target = _target(member.filename)
        owner, crc, size = owners.setdefault(target, (name, member.CRC, member.file_size))
        if owner != name and (crc, size) != (member.CRC, member.file_size):
            yield f"member {member.filename!r} overwrites a file of {owner}"


def _target(member: str) -> str:
    """Return where a member lands: `site/…` for modules, else its scheme."""
    first, _, rest = member.partition("/")
    if not first.endswith(".data"):
        return f"site/{member}"
    scheme, _, path = rest.partition("/")
    return f"{'site' if scheme in ('purelib', 'platlib') else scheme}/{path}"


if __name__ == "__main__":
    sys.exit(main())
