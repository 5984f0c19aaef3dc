"""Read an OCI archive: its layers with every file, and the commands that made them."""

import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from lib.oci_archive import ArchiveError, OciArchive, opened, whiteout

from layers.errors import ImageError
from layers.unpacking import unpacked

NO_COMMAND: Final = frozenset({"", "base", "wheelhouse"})
"""What builders write into the history when they keep no command."""
CHUNK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Entry:
    """One file or link of a layer."""

    path: str
    """Without a leading slash."""
    size_bytes: int
    """0 for links, hard ones too: their bytes are elsewhere."""
    sha256: str = ""
    """Digest of the contents; "" for links."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer of an image."""

    number: int
    """1 for the lowest."""
    digest: str
    raw_bytes: int
    """Size of the uncompressed tar."""
    command: str
    """What made it, by the history; "" where the history does not say."""
    entries: tuple[Entry, ...] = ()
    removed: tuple[str, ...] = ()
    """Paths of lower layers that it hides."""
    emptied: tuple[str, ...] = ()
    """Folders whose contents of lower layers it hides."""


@dataclass(frozen=True, slots=True)
class Image:
    """One image, lowest layer first."""

    layers: tuple[Layer, ...]
    texts: dict[str, str] = field(default_factory=dict)
    """Package records by path, each from the topmost layer that has it."""

    @property
    def raw_bytes(self) -> int:
        """Return the size of all layers, uncompressed."""
        return sum(layer.raw_bytes for layer in self.layers)


def read_image(path: Path) -> Image:
    """Return what an archive holds, whose layers are uncompressed or, where `zstandard` is installed, zstd.

    Raises:
        ImageError: not an OCI archive, of several images, damaged, or its layers cannot be unpacked here.

    """
    texts: dict[str, str] = {}
    with _opened(path) as archive:
        commands = _commands(archive.config, len(archive.layers))
        numbered = enumerate(zip(archive.layers, commands, strict=True), start=1)
        layers = [_layer(archive, number, one, command, texts) for number, (one, command) in numbered]
    return Image(tuple(layers), texts)


def layer_sizes(path: Path) -> dict[str, int]:
    """Return digest -> bytes of each layer, of the configuration and of the manifest, as they travel.

    Raises:
        ImageError: not an OCI archive of one image.

    """
    with _opened(path) as archive:
        parts = (archive.descriptor, archive.manifest["config"], *archive.layers)
        return {part["digest"]: part["size"] for part in parts}


def packed_sizes(path: Path) -> list[int]:
    """Return the bytes of each layer as it travels, lowest layer first.

    Raises:
        ImageError: not an OCI archive of one image.

    """
    with _opened(path) as archive:
        return [layer["size"] for layer in archive.layers]


@contextmanager
def _opened(path: Path) -> Iterator[OciArchive]:
    try:
        with opened(path) as archive:
            yield archive
    except ArchiveError as error:
        raise ImageError.of(error.found, expected=error.expected) from error
    except (OSError, EOFError, tarfile.TarError) as error:
        raise ImageError.of(f"{path.name}: {error}", expected="a whole tar archive") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ImageError.of(f"{path.name}: malformed: {error!r}", expected="an OCI archive") from error


def _commands(config: dict[str, Any], count: int) -> list[str]:
    """Return the command of each layer; "" for all where the history does not count as many."""
    history = [one for one in config.get("history") or [] if not one.get("empty_layer")]
    if len(history) != count:
        return [""] * count
    words = [" ".join(str(one.get("created_by") or "").split()) for one in history]
    return ["" if text in NO_COMMAND else text.removeprefix("/bin/sh -c ") for text in words]


def _layer(
    archive: OciArchive, number: int, descriptor: dict[str, Any], command: str, texts: dict[str, str]
) -> Layer:
    stream = unpacked(archive.blob(descriptor), descriptor, f"{archive.name}: layer {number}")
    entries: list[Entry] = []
    removed: list[str] = []
    emptied: list[str] = []
    # Of a stream that is read in order, `read` alone is called.
    with tarfile.open(fileobj=stream, mode="r|") as tar:  # type: ignore[call-overload]
        for member in tar:
            name = member.name.removeprefix("./").strip("/")
            if removal := whiteout(name):
                (emptied if removal[1] else removed).append(removal[0])
            elif not member.isdir():
                entries.append(_entry(tar, member, name, texts))
    return Layer(
        number,
        descriptor["digest"],
        stream.rest(),
        command,
        tuple(entries),
        tuple(removed),
        tuple(emptied),
    )


def _entry(tar: tarfile.TarFile, member: tarfile.TarInfo, name: str, texts: dict[str, str]) -> Entry:
    content = tar.extractfile(member) if member.isreg() else None
    if content is None:
        return Entry(name, 0)
    digest = sha256()
    kept = bytearray()
    wanted = is_record(name)
    while chunk := content.read(CHUNK):
        digest.update(chunk)
        if wanted:
            kept += chunk
    if wanted:
        texts[name] = kept.decode(errors="replace")
    return Entry(name, member.size, digest.hexdigest())


def is_record(path: str) -> bool:
    """Tell whether a file says which package owns what."""
    return (
        path == "var/lib/dpkg/status"
        or path.startswith("var/lib/dpkg/status.d/")
        or (path.startswith("var/lib/dpkg/info/") and path.endswith(".list"))
        or path.endswith(".dist-info/RECORD")
    )
