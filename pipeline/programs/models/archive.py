"""Take named files out of a zip or tar archive, and nothing else."""

import stat
import tarfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, Protocol

from models.errors import SourceError, UnsafeFile
from models.lockfile import is_inside

ARCHIVE_SUFFIXES: Final = (".whl", ".zip", ".tar", ".tar.gz", ".tgz")
LARGEST_BYTES: Final = 20 * 10**9
LARGEST_RATIO: Final = 200  # unpacked to packed; weights hardly compress, a bomb does
SMALL_BYTES: Final = 10**7  # below this a high ratio is harmless
BLOCK_BYTES: Final = 1 << 20
ROOT: Final = "."  # tar names the folder that was packed


class Limited(Protocol):
    """A wanted file with the size it must have, if known."""

    @property
    def size_bytes(self) -> int | None:
        """Return the exact size, None when not known."""

    @property
    def optional(self) -> bool:
        """Tell whether the archive may lack it."""


@dataclass(frozen=True, slots=True)
class Member:
    """One entry of an archive."""

    name: str
    size_bytes: int
    packed_bytes: int | None
    """None where the archive is compressed as a whole."""
    regular: bool
    """False for a link or a device."""


def extract(archive: Path, targets: Mapping[str, Path], limits: Sequence[Limited]) -> dict[str, Path]:
    """Write the wanted members to their targets; return those that exist.

    Raises:
        UnsafeFile: a member leaves the archive's root, is a link, repeats a name, or unpacks to too much.
        SourceError: no archive, or a wanted member is not in it.

    """
    try:
        with _opened(archive) as (members, read):
            chosen = _require_safe(members, targets)
            _require_all(chosen, targets, limits)
            for name in chosen:
                with read(name) as source:
                    _copy(source, targets[name], chosen[name])
    except (zipfile.BadZipFile, tarfile.TarError, EOFError) as error:
        raise SourceError(f"{archive.name}: not a whole archive: {error}") from error
    return {name: targets[name] for name in chosen}


def _require_safe(members: Sequence[Member], targets: Mapping[str, Path]) -> dict[str, Member]:
    chosen: dict[str, Member] = {}
    for member in members:
        if member.name.rstrip("/") != ROOT and not is_inside(member.name.removeprefix("./").rstrip("/")):
            raise UnsafeFile(
                f"archive member {member.name!r} leaves the archive's root; the archive is refused."
            )
        if not member.regular:
            raise UnsafeFile(f"archive member {member.name!r} is a link or a device; the archive is refused.")
        name = member.name.removeprefix("./")
        if name in chosen:
            raise UnsafeFile(f"archive member {name!r} appears twice; the archive is refused.")
        if name in targets:
            _require_modest(member)
            chosen[name] = member
    return chosen


def _require_modest(member: Member) -> None:
    if member.size_bytes > LARGEST_BYTES:
        raise UnsafeFile(
            f"archive member {member.name!r} unpacks to {member.size_bytes} bytes, most is {LARGEST_BYTES}."
        )
    packed = member.packed_bytes
    if packed is not None and member.size_bytes > SMALL_BYTES and member.size_bytes > packed * LARGEST_RATIO:
        raise UnsafeFile(
            f"archive member {member.name!r} unpacks {packed} bytes to {member.size_bytes}, "
            f"more than {LARGEST_RATIO} to 1."
        )


def _require_all(
    chosen: Mapping[str, Member], targets: Mapping[str, Path], limits: Sequence[Limited]
) -> None:
    for (name, _), wanted in zip(targets.items(), limits, strict=True):
        if name not in chosen and not wanted.optional:
            raise SourceError(f"{name} is not in the archive")
        if name in chosen and wanted.size_bytes not in (None, chosen[name].size_bytes):
            raise SourceError(f"{name} has {chosen[name].size_bytes} bytes, expected {wanted.size_bytes}")


def _copy(source: IO[bytes], target: Path, member: Member) -> None:
    """Copy at most the announced size, whatever the compressed stream really holds."""
    left = member.size_bytes
    with target.open("wb") as opened:
        while block := source.read(min(BLOCK_BYTES, left + 1)):
            left -= len(block)
            if left < 0:
                raise UnsafeFile(f"archive member {member.name!r} is longer than announced.")
            opened.write(block)


class _Read(Protocol):
    def __call__(self, name: str) -> IO[bytes]: ...


@contextmanager
def _opened(archive: Path) -> Iterator[tuple[list[Member], _Read]]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as opened_zip:
            yield [_zip_member(info) for info in opened_zip.infolist()], opened_zip.open
        return
    with tarfile.open(archive) as opened_tar:
        infos = opened_tar.getmembers()
        names = {info.name.removeprefix("./"): info for info in infos}

        def read(name: str) -> IO[bytes]:
            stream = opened_tar.extractfile(names[name])
            if stream is None:
                raise SourceError(f"{name} is not a file in the archive")
            return stream

        yield [Member(i.name, i.size, None, i.isreg() or i.isdir()) for i in infos], read


def _zip_member(info: zipfile.ZipInfo) -> Member:
    kind = stat.S_IFMT(info.external_attr >> 16)
    return Member(info.filename, info.file_size, info.compress_size, kind in (0, stat.S_IFREG, stat.S_IFDIR))
