"""Share made directories between machines: one OCI artifact for each key, never trusted blindly.

The key names what a directory is made from; the registry's digests only prove that bytes arrived as
they were pushed. Whether they are the right ones is judged by `expected`: sha256 of every file, from
the lock.

Entries are never changed, only added; a registry's retention rule may drop any of them at any time.
"""

import hashlib
import shutil
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from oci.content import EMPTY, EMPTY_TYPE, OCI_MANIFEST, Blob, Document, Manifest
from oci.errors import CorruptError, NotFoundError, RegistryError
from oci.references import TAG
from oci.repository import Repository

ARTIFACT_TYPE: Final = "application/vnd.wheelhouse.cache.v1"
LAYER_TYPE: Final = "application/vnd.wheelhouse.cache.layer.v1.tar"
KEY: Final = "io.wheelhouse.cache.key"
EXECUTABLE: Final = 0o111


@dataclass(frozen=True, slots=True)
class Cache:
    """Directories in a repository, each under the tag of its key."""

    repository: Repository

    def push(self, key: str, folder: Path) -> bool:
        """Store a directory unless the key is there; return whether it was stored.

        Raises:
            RegistryError: the key is no tag, or the directory has links or special files.

        """
        if self.repository.digest(_tag(key)) is not None:
            return False
        with tempfile.NamedTemporaryFile(suffix=".tar") as file:
            path = Path(file.name)
            pack(folder, path)
            with path.open("rb") as tar:
                digest = f"sha256:{hashlib.file_digest(tar, 'sha256').hexdigest()}"
            layer = Blob(digest, path.stat().st_size, path)
            self.repository.push_blob(layer)
            self.repository.push_blob(Blob.of(EMPTY))
            self.repository.put_manifest(_manifest(key, layer), _tag(key))
        return True

    def pull(self, key: str, out: Path, expected: Mapping[str, str]) -> bool:
        """Fill a directory from the entry of a key; return whether there was one.

        Args:
            key: what the directory is made from.
            out: appears whole, or not at all.
            expected: path -> sha256 of every file that must be there; nothing else may be.

        Raises:
            CorruptError: the entry is another key's, damaged, or holds other files than expected.

        """
        try:
            manifest = self.repository.manifest(_tag(key)).document
        except NotFoundError:
            return False
        if manifest.get("artifactType") != ARTIFACT_TYPE or manifest.get("annotations", {}).get(KEY) != key:
            raise CorruptError(f"cache entry {key} is something else. Delete the tag {_tag(key)}")
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=".cache-") as scratch:
            tar, tree = Path(scratch, "layer.tar"), Path(scratch, "tree")
            self.repository.fetch_blob(manifest["layers"][0], tar)
            unpack(tar, tree)
            require_files(tree, expected, key)
            tree.replace(out)
        return True


def pack(folder: Path, target: Path) -> None:
    """Write a directory as a tar whose bytes depend on paths, contents and executable bits alone."""
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder).as_posix()
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                raise RegistryError(
                    f"{name} is a link or special file; expected files and folders. Leave it out"
                )
            entry = tarfile.TarInfo(name)
            if path.is_dir():
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(entry)
                continue
            status = path.stat()
            entry.size, entry.mode = status.st_size, 0o755 if status.st_mode & EXECUTABLE else 0o644
            with path.open("rb") as file:
                tar.addfile(entry, file)


def unpack(archive: Path, folder: Path) -> None:
    """Extract files and folders.

    Raises:
        CorruptError: an entry is a link or special file, or leaves the folder.

    """
    folder.mkdir()
    with tarfile.open(archive) as tar:
        for entry in tar:
            inside = (folder / entry.name).resolve().is_relative_to(folder.resolve())
            if not inside or not (entry.isfile() or entry.isdir()):
                raise CorruptError(f"cache entry holds {entry.name!r}, which is refused. Delete the entry")
            _place(tar, entry, folder / entry.name)


def _place(tar: tarfile.TarFile, entry: tarfile.TarInfo, target: Path) -> None:
    """Write one entry; extraction filters came only with later releases of Python 3.11."""
    if entry.isdir():
        target.mkdir(parents=True, exist_ok=True)
        return
    content = tar.extractfile(entry)
    if content is None:
        raise CorruptError(f"cache entry holds {entry.name!r} without content. Delete the entry")
    target.parent.mkdir(parents=True, exist_ok=True)
    with content, target.open("wb") as file:
        shutil.copyfileobj(content, file)
    target.chmod(entry.mode & 0o777)


def require_files(folder: Path, expected: Mapping[str, str], key: str) -> None:
    """Compare every file with its sha256.

    Raises:
        CorruptError: a file is missing, beyond what is expected, or another one.

    """
    found = {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }
    wrong = sorted(name for name in {*found, *expected} if found.get(name) != expected.get(name))
    if wrong:
        raise CorruptError(
            f"cache entry {key} is poisoned: {', '.join(wrong[:5])} (of {len(wrong)}) not as locked. "
            f"Delete the tag {_tag(key)}"
        )


def _manifest(key: str, layer: Blob) -> Manifest:
    document: Document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": ARTIFACT_TYPE,
        "config": {"mediaType": EMPTY_TYPE, "digest": Blob.of(EMPTY).digest, "size": len(EMPTY)},
        "layers": [{"mediaType": LAYER_TYPE, "digest": layer.digest, "size": layer.size}],
        "annotations": {KEY: key},
    }
    return Manifest.of(document)


def _tag(key: str) -> str:
    if not TAG.fullmatch(key):
        raise RegistryError(f"cache key {key!r}; expected {TAG.pattern}. Use KIND-<sha256>")
    return key
