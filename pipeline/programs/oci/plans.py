"""What is pushed where: the plan that the pipeline writes and this program reads."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from oci.content import EMPTY, EMPTY_TYPE, OCI_MANIFEST, Blob, Document, Layout, Manifest
from oci.errors import RegistryError
from oci.references import TAG


@dataclass(frozen=True, slots=True)
class Artifact:
    """A document about an image: SBOM, provenance, signature."""

    document: Blob
    artifact_type: str
    media_type: str
    annotations: dict[str, str]
    once: bool = False
    """Whether a document with the same annotations stands for it: its bytes hold a time or a nonce."""

    @classmethod
    def read_all(cls, folder: Path) -> list[Self]:
        """Return what the folder's referrers.json lists, in its order.

        Raises:
            RegistryError: no referrers.json, or a file of it is missing.

        """
        listing = folder / "referrers.json"
        if not listing.is_file():
            raise RegistryError(
                f"{folder} has no referrers.json; expected a list of files. Make it or pass none"
            )
        return [cls._read(folder, entry) for entry in json.loads(listing.read_bytes())]

    @classmethod
    def _read(cls, folder: Path, entry: dict[str, Any]) -> Self:
        path = folder / Path(entry["file"]).name
        if not path.is_file():
            raise RegistryError(
                f"{path} is missing; expected as referrers.json says. Make it or drop its entry"
            )
        kind = entry["artifact_type"]
        return cls(
            document=Blob.of(path.read_bytes()),
            artifact_type=kind,
            media_type=entry.get("media_type") or kind,
            annotations=entry.get("annotations") or {},
            once=entry.get("once", False),
        )

    def stands(self, descriptor: Document) -> bool:
        """Whether what a registry lists is this document, or an earlier one that says the same."""
        same_kind = descriptor.get("artifactType") == self.artifact_type
        return self.once and same_kind and (descriptor.get("annotations") or {}) == self.annotations

    def manifest(self, subject: Manifest) -> Manifest:
        """Return the artifact's manifest, which names its subject. Source: OCI image specification 1.1."""
        document: Document = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": self.artifact_type,
            "config": {"mediaType": EMPTY_TYPE, "digest": Blob.of(EMPTY).digest, "size": len(EMPTY)},
            "layers": [
                {"mediaType": self.media_type, "digest": self.document.digest, "size": self.document.size}
            ],
            "subject": subject.descriptor,
        }
        return Manifest.of({**document, "annotations": self.annotations} if self.annotations else document)


@dataclass(frozen=True, slots=True)
class PlannedImage:
    """One image or index, the tags that it gets and what refers to it."""

    name: str
    """Variant: what the report calls it."""
    layout: Layout
    immutable: tuple[str, ...]
    """Tags that never change what they name."""
    moving: tuple[str, ...]
    artifacts: tuple[Artifact, ...] = ()

    @classmethod
    def parse(cls, document: dict[str, Any]) -> Self:
        """Return the image of a plan's entry.

        Raises:
            RegistryError: a tag that no registry takes.

        """
        immutable, moving = tuple(document.get("immutable") or ()), tuple(document.get("moving") or ())
        if wrong := [tag for tag in (*immutable, *moving) if not TAG.fullmatch(tag)]:
            raise RegistryError(f"tag {wrong[0]!r}; expected {TAG.pattern}. Fix it")
        folder = document.get("referrers")
        artifacts = tuple(Artifact.read_all(Path(folder))) if folder else ()
        return cls(document["name"], Layout(Path(document["layout"])), immutable, moving, artifacts)


@dataclass(frozen=True, slots=True)
class Plan:
    """Images of one repository that are published together, complete or not at all."""

    repository: str
    images: tuple[PlannedImage, ...]
    mounts: tuple[str, ...] = ()

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return the plan of a JSON file.

        Raises:
            RegistryError: two images would get the same tag.

        """
        document = json.loads(path.read_bytes())
        images = tuple(PlannedImage.parse(entry) for entry in document["images"])
        tags = [tag for image in images for tag in (*image.immutable, *image.moving)]
        if twice := sorted({tag for tag in tags if tags.count(tag) > 1}):
            raise RegistryError(
                f"tag {twice[0]!r} stands for two images; expected one. Give a variant a suffix"
            )
        return cls(document["repository"], images, tuple(document.get("mounts") or ()))
