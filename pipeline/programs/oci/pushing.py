"""Publish images complete or not at all: what is unproven never gets a moving tag.

Order: immutable tags are compared, blobs, manifests by digest, referrers, immutable tags, moving
tags, everything read back. An interruption at any point leaves moving tags where they were or on
an image that is complete.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

from oci.content import EMPTY, Blob, Document, Manifest, all_manifests
from oci.errors import ConflictError, CorruptError
from oci.plans import Plan, PlannedImage
from oci.repository import Repository

PARALLEL: Final = 4
"""Blobs on their way at once; docker pushes 5."""


@dataclass(slots=True)
class Tally:
    """What went over the wire."""

    pushed_blobs: int = 0
    pushed_bytes: int = 0
    known_blobs: int = 0
    written_manifests: int = 0
    written_tags: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Publisher:
    """One push to one repository."""

    repository: Repository
    tally: Tally = field(default_factory=Tally)

    def publish(self, plan: Plan) -> list[Document]:
        """Push every image of the plan and return one report each.

        Raises:
            ConflictError: an immutable tag names another image: before the push, and then nothing was
                pushed, or since, and then no tag of that image was written.
            CorruptError: a tag, read back, names another image than was pushed.
            RegistryError: the registry refuses, or is not there after all tries.

        """
        roots = [(image, image.layout.root()) for image in plan.images]
        for image, root in roots:
            self._missing_tags(image, root)
        for image, root in roots:
            self._push_contents(image, root)
        for image, root in roots:
            self._attach(image, root)
        for image, root in roots:
            # Compared again: sending may have taken minutes, and another publisher less.
            self._tag(root, self._missing_tags(image, root))
        for image, root in roots:
            self._tag(root, [tag for tag in image.moving if self.repository.digest(tag) != root.digest])
        return [self._read_back(image, root) for image, root in roots]

    def _missing_tags(self, image: PlannedImage, root: Manifest) -> list[str]:
        """Return the immutable tags that are not there yet."""
        missing = []
        for tag in image.immutable:
            found = self.repository.digest(tag)
            if found not in (None, root.digest):
                raise ConflictError(
                    f"{self.repository.name}:{tag} is {found}; expected {root.digest}. "
                    "The same commit gave another image: find out what changed, or publish a new commit"
                )
            if found is None:
                missing.append(tag)
        return missing

    def _push_contents(self, image: PlannedImage, root: Manifest) -> None:
        for manifest in all_manifests(image.layout.manifest, root):
            self._push_blobs([image.layout.blob(descriptor) for descriptor in manifest.blobs()])
            if self.repository.digest(manifest.digest) is None:
                self.repository.put_manifest(manifest)
                self.tally.written_manifests += 1

    def _attach(self, image: PlannedImage, root: Manifest) -> None:
        """Attach the documents, but for those that an earlier publish of the same image attached."""
        known = self.repository.referrers(root.digest)
        for artifact in image.artifacts:
            if not any(artifact.stands(descriptor) for descriptor in known):
                self._push_blobs([artifact.document, Blob.of(EMPTY)])
                self.repository.put_referrer(artifact.manifest(root))

    def _push_blobs(self, blobs: list[Blob]) -> None:
        with ThreadPoolExecutor(PARALLEL) as pool:
            for blob, sent in zip(blobs, pool.map(self.repository.push_blob, blobs), strict=True):
                self.tally.pushed_blobs += sent
                self.tally.known_blobs += not sent
                self.tally.pushed_bytes += blob.size if sent else 0

    def _tag(self, root: Manifest, tags: list[str]) -> None:
        for tag in tags:
            self.repository.put_manifest(root, tag)
            self.tally.written_tags.append(tag)

    def _read_back(self, image: PlannedImage, root: Manifest) -> Document:
        for tag in (*image.immutable, *image.moving):
            if (found := self.repository.manifest(tag).digest) != root.digest:
                raise CorruptError(
                    f"{self.repository.name}:{tag} is {found} after the push; expected {root.digest}. "
                    "Another publisher was at work: publish again"
                )
        tags = [*image.immutable, *image.moving]
        return {
            "name": image.name,
            "reference": f"{self.repository.name}@{root.digest}",
            "digest": root.digest,
            "tags": tags,
            "referrers": [entry["digest"] for entry in self.repository.referrers(root.digest)],
        }
