"""Share made directories between machines: one signed OCI artifact for each key.

The key names what a directory is made from. A registry's digests only prove that bytes arrived as
they were pushed; that they are the right ones is what a signature over key and digest says. The caller
signs and judges it, between `taken` and `unpacked`: this program carries bytes and sees no key.

Entries are only added, never changed; a registry's retention rule may drop any of them at any time.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from oci.content import EMPTY, EMPTY_TYPE, OCI_MANIFEST, Blob, Document, Manifest
from oci.errors import CorruptError, NotFoundError, RegistryError
from oci.references import TAG
from oci.repository import Repository
from oci.trees import pack, unpack

ARTIFACT_TYPE: Final = "application/vnd.wheelhouse.cache.v1"
LAYER_TYPE: Final = "application/vnd.wheelhouse.cache.layer.v1.tar+gzip"
KEY: Final = "io.wheelhouse.cache.key"
SIGNATURE: Final = "io.wheelhouse.cache.signature"
TREE: Final = "tree.tar.gz"


@dataclass(frozen=True, slots=True)
class Entry:
    """What a registry has under a key; nothing of it is proven yet."""

    digest: str
    """`sha256:…` of its bytes."""
    signature: str
    """Over key and digest, as base64; "" for none."""


@dataclass(frozen=True, slots=True)
class Cache:
    """Entries in a repository, each under the tag of its key."""

    repository: Repository

    def has(self, key: str) -> bool:
        """Whether there is an entry of a key."""
        return self.repository.digest(_tag(key)) is not None

    def push(self, key: str, folder: Path, signature: str) -> bool:
        """Store what `packed` made unless the key is there; return whether it was stored."""
        if self.has(key):
            return False
        path = folder / TREE
        layer = Blob(digest_of(path), path.stat().st_size, path)
        self.repository.push_blob(layer)
        self.repository.push_blob(Blob.of(EMPTY))
        self.repository.put_manifest(_manifest(key, layer, signature), _tag(key))
        return True

    def pull(self, key: str, folder: Path) -> Entry | None:
        """Fetch the entry of a key for `unpacked`; None where there is none.

        Raises:
            CorruptError: it is not a cache entry, or its bytes are not those of its digest.

        """
        try:
            manifest = self.repository.manifest(_tag(key)).document
        except NotFoundError:
            return None
        notes = manifest.get("annotations") or {}
        if manifest.get("artifactType") != ARTIFACT_TYPE or len(manifest.get("layers") or ()) != 1:
            raise CorruptError(f"cache entry {key} is something else. Delete the tag {key}")
        [layer] = manifest["layers"]
        self.repository.fetch_blob(layer, folder / TREE)
        return Entry(layer["digest"], notes.get(SIGNATURE, ""))


def packed(tree: Path, folder: Path) -> str:
    """Pack a directory into a folder that `Cache.push` stores; return the digest to sign.

    Raises:
        RegistryError: the directory holds special files.

    """
    pack(tree, folder / TREE)
    return digest_of(folder / TREE)


def unpacked(folder: Path, digest: str, out: Path) -> None:
    """Unpack what `Cache.pull` fetched, if its digest is the signed one.

    Raises:
        CorruptError: the bytes are others.

    """
    if digest_of(folder / TREE) != digest:
        raise CorruptError(f"a cache entry is damaged: its bytes are not {digest}. Delete its tag")
    unpack(folder / TREE, out)


def digest_of(path: Path) -> str:
    """Return `sha256:…` of a file."""
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def _manifest(key: str, layer: Blob, signed: str) -> Manifest:
    document: Document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": ARTIFACT_TYPE,
        "config": {"mediaType": EMPTY_TYPE, "digest": Blob.of(EMPTY).digest, "size": len(EMPTY)},
        "layers": [{"mediaType": LAYER_TYPE, "digest": layer.digest, "size": layer.size}],
        "annotations": {KEY: key, SIGNATURE: signed},
    }
    return Manifest.of(document)


def _tag(key: str) -> str:
    if not TAG.fullmatch(key):
        raise RegistryError(f"cache key {key!r}; expected {TAG.pattern}. Use KIND-<sha256>")
    return key
