"""Publish small images, as the tests of the client do."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

from oci.content import Layout
from oci.plans import Artifact, Plan, PlannedImage
from oci.pushing import Publisher
from oci.repository import Repository

Open = Callable[..., Repository]
Make = Callable[..., Layout]


def image_of(layout: Layout, *artifacts: Artifact, **tags: tuple[str, ...]) -> PlannedImage:
    """Return an image with the tags of a publish from main."""
    return PlannedImage(
        "cpu",
        layout,
        tags.get("immutable", ("sha-0123456789ab",)),
        tags.get("moving", ("latest",)),
        artifacts,
    )


def sbom(folder: Path, content: bytes = b'{"bomFormat":"CycloneDX"}') -> Artifact:
    """Return a document that refers to an image."""
    folder.mkdir(exist_ok=True)
    (folder / "sbom.cdx.json").write_bytes(content)
    entry = {"file": "sbom.cdx.json", "artifact_type": "application/vnd.cyclonedx+json"}
    (folder / "referrers.json").write_text(json.dumps([entry]))
    return Artifact.read_all(folder)[0]


def publish(repository: Repository, *images: PlannedImage) -> Publisher:
    """Publish and return the publisher with its tally."""
    publisher = Publisher(repository)
    publisher.publish(Plan(str(repository.name), images))
    return publisher


def skopeo(*words: str) -> str:
    """Run skopeo and return what it prints."""
    return subprocess.run(["skopeo", *words], check=True, capture_output=True, text=True).stdout
