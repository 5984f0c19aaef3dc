"""The one image of an OCI archive: manifest, configuration, layers; and what whiteouts say."""

import json
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import IO, Any

Document = dict[str, Any]
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
WHITEOUT = ".wh."
"""Prefix of the name of an entry that removes a lower one. Source: OCI image specification, layer.md."""
OPAQUE = ".wh..wh..opq"
"""Name of an entry that removes everything of lower layers in its folder."""


class ArchiveError(ValueError):
    """The archive is not an OCI archive of one image."""

    def __init__(self, found: str, expected: str) -> None:
        self.found, self.expected = found, expected
        super().__init__(f"{found}; expected {expected}")


class OciArchive:
    """An opened OCI archive of one image."""

    def __init__(self, tar: tarfile.TarFile, name: str) -> None:
        self._tar, self.name = tar, name
        self._members = {member.name.removeprefix("./"): member for member in tar if member.isreg()}

    @cached_property
    def descriptor(self) -> Document:
        """Return the descriptor of the image's manifest."""
        manifests = json.load(self._stream("index.json"))["manifests"]
        while len(manifests) == 1 and manifests[0].get("mediaType") == OCI_INDEX:
            manifests = self.document(manifests[0])["manifests"]
        if len(manifests) != 1:
            raise ArchiveError(f"{self.name} holds {len(manifests)} images", "one image")
        only: Document = manifests[0]
        return only

    @cached_property
    def manifest(self) -> Document:
        """Return the image's manifest."""
        return self.document(self.descriptor)

    @cached_property
    def config(self) -> Document:
        """Return the image's configuration."""
        return self.document(self.manifest["config"])

    @property
    def layers(self) -> list[Document]:
        """Return the descriptors of the layers, lowest first."""
        found: list[Document] = self.manifest["layers"]
        return found

    def document(self, descriptor: Document) -> Document:
        """Return the JSON object that a descriptor points to."""
        parsed: Document = json.load(self.blob(descriptor))
        return parsed

    def blob(self, descriptor: Document) -> IO[bytes]:
        """Return the bytes that a descriptor points to, as a stream."""
        return self._stream(_blob_name(descriptor))

    def member(self, descriptor: Document) -> tarfile.TarInfo:
        """Return the archive's entry that a descriptor points to."""
        return self._member(_blob_name(descriptor))

    def _member(self, name: str) -> tarfile.TarInfo:
        if name not in self._members:
            raise ArchiveError(f"{self.name} has no {name}", "an OCI archive (index.json, blobs/)")
        return self._members[name]

    def _stream(self, name: str) -> IO[bytes]:
        stream = self._tar.extractfile(self._member(name))
        if stream is None:
            raise ArchiveError(f"{name} of {self.name} is not a file", "an OCI archive (index.json, blobs/)")
        return stream


@contextmanager
def opened(path: Path) -> Iterator[OciArchive]:
    """Open an OCI archive.

    Raises:
        ArchiveError: a blob that is asked for is absent, or the archive holds several images.
        tarfile.TarError: not a tar archive.

    """
    with tarfile.open(path) as tar:
        yield OciArchive(tar, path.name)


def whiteout(path: str) -> tuple[str, bool] | None:
    """Return the path that an entry removes from lower layers, and whether only its contents go.

    None for an entry that removes nothing.
    """
    folder, _, name = path.rpartition("/")
    if name == OPAQUE:
        return folder, True
    if name.startswith(WHITEOUT):
        removed = name.removeprefix(WHITEOUT)
        return f"{folder}/{removed}" if "/" in path else removed, False
    return None


def _blob_name(descriptor: Document) -> str:
    return f"blobs/{descriptor['digest'].replace(':', '/')}"
