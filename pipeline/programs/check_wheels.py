"""Refuse wheels that would write where they must not, or are not what they say.

    check_wheels.py DIR

Checked for every wheel of DIR before anything is unpacked: file name, dist-info folder and METADATA
agree; members stay inside the environment and are plain, unencrypted files with names that a file system
takes; none is there twice or is a file and a folder; the archive unpacks to a size that fits it; no member
replaces a file of the environment itself; no two wheels write one file with different bytes. Every finding is
printed; exit status 1 when there is one.
"""

import email
import re
import stat
import sys
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

MAX_RATIO = 100
"""Largest unpacked/packed ratio of a whole wheel. Deflate reaches 1032; real wheels stay below 15."""
RATIO_FREE_BYTES = 10_000_000
"""Wheels that unpack to less may have any ratio: they fill no disk."""
MAX_BYTES = 8_000_000_000
"""Largest unpacked wheel. The largest known, torch for CUDA 13, unpacks to 1.15 GB."""
MAX_MEMBERS = 200_000
"""Most members of a wheel. The largest known have about 15,000."""
MAX_NAME = 255
"""Most bytes of one part of a member's name. Source: NAME_MAX of Linux."""
MAX_PATH = 1024
"""Most bytes of a member's name: with the environment's own path it stays below PATH_MAX, 4096."""
ENCRYPTED = 1
"""Bit of a member's flags. Source: PKWARE's APPNOTE, 4.4.4."""
ENVIRONMENT = re.compile(
    r"data/(pyvenv\.cfg|(lib|lib64|include)$|bin/(python|activate)|lib\d*/python[^/]*/site-packages/)"
    r"|scripts/(python[\d.]*|activate.*)$",
    re.IGNORECASE,
)
"""Targets, by scheme, that belong to the environment: its configuration, interpreter and modules."""
Owners = dict[str, tuple[str, int, int]]
"""Target -> distribution, CRC and size of what is written there."""


def main() -> int:
    """Return 1 when a wheel is refused."""
    owners: Owners = {}
    findings: list[str] = []
    for path in sorted(Path(sys.argv[1]).glob("*.whl")):
        try:
            findings += [f"{path.name}: {finding}" for finding in _findings(path, owners)]
        except (zipfile.BadZipFile, KeyError, InvalidWheelFilename, InvalidVersion, RuntimeError) as error:
            findings.append(f"{path.name}: not a readable wheel: {error}")
    for finding in findings:
        print(f"refused wheel {finding}", file=sys.stderr)
    return 1 if findings else 0


def _findings(path: Path, owners: Owners) -> Iterator[str]:
    name, version, _, _ = parse_wheel_filename(path.name)
    with zipfile.ZipFile(path) as wheel:
        members = wheel.infolist()
        hostile = [finding for member in members if (finding := _hostile(member))]
        hostile += [*_clashes(members), *_bombs(members, path.stat().st_size)]
        yield from hostile
        if not hostile:
            yield from _misnamed(wheel, str(name), version)
            yield from _overwrites(members, str(name), owners)


def _hostile(member: zipfile.ZipInfo) -> str:
    """Return why a member must not be unpacked, or ""."""
    # orig_filename: zipfile itself cuts names at NUL and turns the platform's separator.
    raw = member.orig_filename
    parts = PurePosixPath(raw).parts
    if raw.startswith("/") or ".." in parts or "\\" in raw or "\0" in raw or raw[1:2] == ":":
        return f"member {raw!r} points outside of the environment"
    if len(raw.encode()) > MAX_PATH or any(len(part.encode()) > MAX_NAME for part in parts):
        return (
            f"member {raw[:40]!r}… has a name of {len(raw.encode())} bytes; expected at most {MAX_PATH}, "
            f"and {MAX_NAME} for each part"
        )
    mode = member.external_attr >> 16
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return f"member {raw!r} is a link or device"
    if member.flag_bits & ENCRYPTED:
        return f"member {raw!r} is encrypted"
    if ENVIRONMENT.match(_target(raw)):
        return f"member {raw!r} would replace a part of the environment itself"
    return ""


def _clashes(members: list[zipfile.ZipInfo]) -> Iterator[str]:
    """Yield names that are there twice, and files that are also folders."""
    names = Counter(member.filename for member in members)
    yield from (f"member {name!r} is there {count} times" for name, count in names.items() if count > 1)
    files = {member.filename for member in members if not member.is_dir()}
    folders = {str(parent) for member in members for parent in PurePosixPath(member.filename).parents}
    folders |= {member.filename.rstrip("/") for member in members if member.is_dir()}
    yield from (f"member {name!r} is a file and a folder" for name in sorted(files & folders))


def _bombs(members: list[zipfile.ZipInfo], packed: int) -> Iterator[str]:
    """Yield what makes an archive too large: judged as a whole, because honest files compress well, too."""
    if len(members) > MAX_MEMBERS:
        yield f"{len(members)} members, at most {MAX_MEMBERS} accepted"
    total = sum(member.file_size for member in members)
    if total > MAX_BYTES:
        yield f"unpacks to {total} bytes, at most {MAX_BYTES} accepted"
    if total > max(RATIO_FREE_BYTES, MAX_RATIO * packed):
        yield f"{packed} bytes unpack to {total}, at most {MAX_RATIO}:1 accepted"
    if sum(member.compress_size for member in members) > packed:
        yield "its members overlap: together they are larger than the archive"


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
