"""Copy an image by digest between repositories, with everything that refers to it; nothing is rebuilt."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from oci.content import Blob, Document, Manifest, all_manifests
from oci.errors import ConflictError, CorruptError
from oci.repository import Repository


@dataclass(frozen=True, slots=True)
class Promotion:
    """A copy from one repository to another."""

    source: Repository
    target: Repository
    """Mounts blobs of the source where both are on one registry."""

    def promote(self, reference: str, immutable: tuple[str, ...], moving: tuple[str, ...]) -> Document:
        """Copy what a tag or digest names and give it these tags, the moving ones last.

        Raises:
            NotFoundError: the source does not have it.
            ConflictError: an immutable tag of the target names another image, before the copy, and then
                nothing was copied, or since, and then no tag was written.

        """
        root = self.source.manifest(reference)
        self._require_free(root, immutable)
        for manifest in all_manifests(self._read, root):
            self._copy(manifest)
        referrers = list(self._referrers(root))
        for manifest in referrers:
            self._copy_blobs(manifest)
            self.target.put_referrer(manifest)
        # Compared again: copying may have taken minutes, and another publisher less.
        self._require_free(root, immutable)
        for tag in (*immutable, *moving):
            if self.target.digest(tag) != root.digest:
                self.target.put_manifest(root, tag)
        return self._read_back(root, [*immutable, *moving], referrers)

    def _require_free(self, root: Manifest, immutable: tuple[str, ...]) -> None:
        for tag in immutable:
            if (found := self.target.digest(tag)) not in (None, root.digest):
                raise ConflictError(
                    f"{self.target.name}:{tag} is {found}; expected {root.digest}. Choose another tag"
                )

    def _read(self, descriptor: Document) -> Manifest:
        return self.source.manifest(descriptor["digest"])

    def _referrers(self, root: Manifest) -> Iterator[Manifest]:
        """Give what refers to the image, to its parts, and to those in turn."""
        waiting = [manifest.digest for manifest in all_manifests(self._read, root)]
        seen = set(waiting)
        while waiting:
            for entry in self.source.referrers(waiting.pop(0)):
                if entry["digest"] not in seen:
                    seen.add(entry["digest"])
                    waiting.append(entry["digest"])
                    yield self._read(entry)

    def _copy(self, manifest: Manifest) -> None:
        self._copy_blobs(manifest)
        if self.target.digest(manifest.digest) is None:
            self.target.put_manifest(manifest)

    def _copy_blobs(self, manifest: Manifest) -> None:
        for descriptor in manifest.blobs():
            if self.target.has_blob(descriptor["digest"]):
                continue
            if self.source.name.host == self.target.name.host and self.target.mount(
                descriptor["digest"], self.source.name.path
            ):
                continue
            with tempfile.TemporaryDirectory() as scratch:
                path = Path(scratch, "blob")
                self.source.fetch_blob(descriptor, path)
                self.target.push_blob(Blob(descriptor["digest"], descriptor["size"], path))

    def _read_back(self, root: Manifest, tags: list[str], referrers: list[Manifest]) -> Document:
        for tag in tags or [root.digest]:
            if (found := self.target.manifest(tag).digest) != root.digest:
                raise CorruptError(
                    f"{self.target.name}:{tag} is {found} after the copy; expected {root.digest}. Try again"
                )
        return {
            "name": str(self.source.name),
            "reference": f"{self.target.name}@{root.digest}",
            "digest": root.digest,
            "tags": tags,
            "referrers": [manifest.digest for manifest in referrers],
        }
