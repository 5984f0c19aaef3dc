"""Descriptors, manifests and blobs: what images are made of."""

import hashlib
import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final, Self

from oci.errors import CorruptError, RegistryError

Document = dict[str, Any]
OCI_INDEX: Final = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
DOCKER_LIST: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
MANIFEST_TYPES: Final = (OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST)
EMPTY_TYPE: Final = "application/vnd.oci.empty.v1+json"
EMPTY: Final = b"{}"
BLOCK_BYTES: Final = 1 << 20
LONGEST_MANIFEST_BYTES: Final = 4 << 20
"""Source: OCI distribution specification: registries should take manifests up to 4 MiB."""


def digest_of(content: bytes) -> str:
    """Return `sha256:<64 hex digits>` of bytes."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def compact(document: object) -> bytes:
    """Return JSON that is the same for the same document: sorted keys, no spaces."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


@dataclass(frozen=True, slots=True)
class Manifest:
    """An image, an index of images or an artifact, byte for byte."""

    content: bytes = field(repr=False)
    media_type: str

    @classmethod
    def of(cls, document: Document) -> Self:
        """Return the manifest of a document that names its own media type."""
        return cls(compact(document), document["mediaType"])

    @property
    def digest(self) -> str:
        """Return `sha256:…` of the bytes."""
        return digest_of(self.content)

    @property
    def document(self) -> Document:
        """Return the parsed manifest.

        Raises:
            CorruptError: not a JSON object.

        """
        try:
            document = json.loads(self.content)
        except ValueError as error:
            raise CorruptError(f"manifest {self.digest} is not JSON ({error})") from error
        if not isinstance(document, dict):
            raise CorruptError(f"manifest {self.digest} is not a JSON object")
        return document

    @property
    def descriptor(self) -> Document:
        """Return what an index says about it."""
        return {"mediaType": self.media_type, "digest": self.digest, "size": len(self.content)}

    def children(self) -> list[Document]:
        """Return descriptors of the manifests of an index; none for an image."""
        return list(self.document.get("manifests") or [])

    def blobs(self) -> list[Document]:
        """Return descriptors of configuration and layers, each digest once; none for an index."""
        document = self.document
        found = [*([document["config"]] if "config" in document else []), *(document.get("layers") or [])]
        return list({blob["digest"]: blob for blob in found}.values())


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes in memory or in a file, with their digest and size."""

    digest: str
    size: int
    source: bytes | Path = field(repr=False)

    @classmethod
    def of(cls, content: bytes) -> Self:
        """Return a blob that is in memory."""
        return cls(digest_of(content), len(content), content)

    def open(self) -> IO[bytes]:
        """Open the bytes for reading."""
        return io.BytesIO(self.source) if isinstance(self.source, bytes) else self.source.open("rb")


@dataclass(frozen=True, slots=True)
class Layout:
    """An OCI layout in a folder."""

    folder: Path

    def root(self) -> Manifest:
        """Return the one image or index of the layout.

        Raises:
            RegistryError: no index.json, or not exactly one entry in it.
            CorruptError: the bytes differ from the digest.

        """
        index = self.folder / "index.json"
        if not index.is_file():
            raise RegistryError(
                f"{self.folder} has no index.json; expected an OCI layout. Make it with `normalise`"
            )
        entries = json.loads(index.read_bytes()).get("manifests") or []
        if len(entries) != 1:
            raise RegistryError(
                f"{index} lists {len(entries)} images; expected one. Export one image at a time"
            )
        return self.manifest(entries[0])

    def manifest(self, descriptor: Mapping[str, Any]) -> Manifest:
        """Return a manifest of the layout, its digest checked."""
        content = self.path(descriptor["digest"]).read_bytes()
        return Manifest(require_digest(content, descriptor["digest"]), descriptor["mediaType"])

    def blob(self, descriptor: Mapping[str, Any]) -> Blob:
        """Return a blob of the layout; its bytes are checked by the registry that takes them."""
        path = self.path(descriptor["digest"])
        if not path.is_file() or path.stat().st_size != descriptor["size"]:
            raise CorruptError(
                f"{path} is missing or not {descriptor['size']} bytes long. Make the layout again"
            )
        return Blob(descriptor["digest"], descriptor["size"], path)

    def path(self, digest: str) -> Path:
        """Return the path of a blob."""
        return self.folder / "blobs" / digest.replace(":", "/")


def require_digest(content: bytes, digest: str) -> bytes:
    """Return the content.

    Raises:
        CorruptError: it differs from the digest.

    """
    if digest_of(content) != digest:
        raise CorruptError(f"content is {digest_of(content)}, expected {digest}. It was damaged or replaced")
    return content


def all_manifests(read: Callable[[Document], Manifest], root: Manifest) -> Iterator[Manifest]:
    """Give every manifest below an index, depth first, and last the index itself."""
    for child in root.children():
        yield from all_manifests(read, read(child))
    yield root
