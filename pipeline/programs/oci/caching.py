"""Share made directories between machines: one signed OCI artifact for each key.

The key names what a directory is made from. A registry's digests only prove that bytes arrived as
they were pushed; that they are the right ones is what a signature over key and digest says. An entry
without a good one is never unpacked.

Entries are only added, never changed; a registry's retention rule may drop any of them at any time.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from oci.content import EMPTY, EMPTY_TYPE, OCI_MANIFEST, Blob, Document, Manifest
from oci.errors import CorruptError, NotFoundError, RegistryError
from oci.references import TAG
from oci.repository import Repository
from oci.trees import pack, unpack
from oci.vouching import require_vouched, signature

ARTIFACT_TYPE: Final = "application/vnd.wheelhouse.cache.v1"
LAYER_TYPE: Final = "application/vnd.wheelhouse.cache.layer.v1.tar+gzip"
KEY: Final = "io.wheelhouse.cache.key"
SIGNATURE: Final = "io.wheelhouse.cache.signature"
TREE: Final = "tree.tar.gz"
ENTRY: Final = "entry.json"


@dataclass(frozen=True, slots=True)
class Cache:
    """Entries in a repository, each under the tag of its key."""

    repository: Repository

    def has(self, key: str) -> bool:
        """Whether there is an entry of a key."""
        return self.repository.digest(_tag(key)) is not None

    def push(self, key: str, folder: Path) -> bool:
        """Store what `sealed` made unless the key is there; return whether it was stored."""
        if self.has(key):
            return False
        entry = json.loads((folder / ENTRY).read_bytes())
        path = folder / TREE
        layer = Blob(entry["digest"], path.stat().st_size, path)
        self.repository.push_blob(layer)
        self.repository.push_blob(Blob.of(EMPTY))
        self.repository.put_manifest(_manifest(key, layer, entry["signature"]), _tag(key))
        return True

    def pull(self, key: str, folder: Path) -> bool:
        """Fetch the entry of a key, for `opened`; return whether there was one.

        Raises:
            CorruptError: it is no cache entry, or its bytes are not those of its digest.

        """
        try:
            manifest = self.repository.manifest(_tag(key)).document
        except NotFoundError:
            return False
        notes = manifest.get("annotations") or {}
        if manifest.get("artifactType") != ARTIFACT_TYPE or len(manifest.get("layers") or ()) != 1:
            raise CorruptError(f"cache entry {key} is something else. Delete the tag {key}")
        [layer] = manifest["layers"]
        self.repository.fetch_blob(layer, folder / TREE)
        said = {"digest": layer["digest"], "signature": notes.get(SIGNATURE, "")}
        (folder / ENTRY).write_text(json.dumps(said))
        return True


def sealed(key: str, tree: Path, folder: Path, private_key: Path) -> None:
    """Pack and sign a directory into a folder that `Cache.push` stores.

    Raises:
        RegistryError: the directory holds special files, or the key cannot sign.

    """
    pack(tree, folder / TREE)
    digest = _digest(folder / TREE)
    entry = {"digest": digest, "signature": signature(_tag(key), digest, private_key)}
    (folder / ENTRY).write_text(json.dumps(entry))


def opened(key: str, folder: Path, out: Path, public_key: Path) -> None:
    """Unpack what `Cache.pull` fetched, once it is known to be what its signer made for this key.

    Raises:
        CorruptError: the bytes are others, or nobody who is trusted vouches for them under this key.

    """
    entry = json.loads((folder / ENTRY).read_bytes())
    if _digest(folder / TREE) != entry["digest"]:
        raise CorruptError(f"cache entry {key} is damaged. Delete the tag {key}")
    require_vouched(_tag(key), entry["digest"], entry["signature"], public_key)
    unpack(folder / TREE, out)


def _digest(path: Path) -> str:
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
