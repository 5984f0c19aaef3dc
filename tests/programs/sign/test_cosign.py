"""A stock cosign accepts what the signer attaches, and refuses another key and another image."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.programs.oci.registry_server import Kind, installed, running
from tests.programs.sign.conftest import STATEMENT, Signer

from oci.content import Blob, Manifest  # isort: skip - found through conftest
from oci.repository import Repository  # isort: skip

pytestmark = pytest.mark.integration
IMAGE: dict[str, Any] = {
    "schemaVersion": 2,
    "mediaType": "application/vnd.oci.image.manifest.v1+json",
}
CONFIG = "application/vnd.oci.image.config.v1+json"


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Repository]:
    """Offer an empty repository of a registry without a referrers API."""
    if not installed() or not shutil.which("cosign"):
        pytest.skip("needs docker-registry and cosign")
    (tmp_path / "registry").mkdir()
    with running(tmp_path / "registry", Kind()) as host:
        yield Repository.open(f"{host}/demo")


def pushed(repository: Repository, content: bytes, kind: str, **more: Any) -> Manifest:
    """Push a manifest with one layer."""
    config, layer = Blob.of(b"{}"), Blob.of(content)
    repository.push_blob(config)
    repository.push_blob(layer)
    described = {"mediaType": kind, "digest": layer.digest, "size": layer.size}
    settings = {"mediaType": CONFIG, "digest": config.digest, "size": config.size}
    return Manifest.of({**IMAGE, "config": settings, "layers": [described], **more})


def attested(signer: Signer, repository: Repository, content: bytes) -> str:
    """Push an image with signed provenance attached as the signer lays it out; return its digest."""
    image = pushed(repository, content, "application/vnd.oci.image.layer.v1.tar")
    repository.put_manifest(image, image.digest)
    subject = [{"name": "demo", "digest": {"sha256": image.digest.removeprefix("sha256:")}}]
    done = signer.sign(signer.key("ours"), STATEMENT | {"subject": subject})
    assert done.returncode == 0, done.stderr
    (entry,) = json.loads((signer.folder / "out/referrers.json").read_text())
    bundle = (signer.folder / "out" / entry["file"]).read_bytes()
    more = {
        "artifactType": entry["artifact_type"],
        "annotations": entry["annotations"],
        "subject": image.descriptor,
    }
    repository.put_referrer(pushed(repository, bundle, entry["media_type"], **more))
    return image.digest


def verified(repository: Repository, digest: str, key: Path) -> "subprocess.CompletedProcess[str]":
    """Ask cosign about an image, without any log of the world."""
    flags = ["--type=slsaprovenance1", "--insecure-ignore-tlog=true", "--allow-http-registry=true"]
    command = ["cosign", "verify-attestation", f"--key={key}", *flags, f"{repository.name}@{digest}"]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def test_cosign_accepts_our_key_and_image_only(signer: Signer, repository: Repository) -> None:
    """The right key and digest pass; another key, and an image without a statement, do not."""
    digest = attested(signer, repository, b"layer")
    other = pushed(repository, b"other", "application/vnd.oci.image.layer.v1.tar")
    repository.put_manifest(other, other.digest)
    ours, theirs = signer.folder / "ours.pub", signer.key("theirs").with_suffix(".pub")

    accepted = verified(repository, digest, ours)
    assert accepted.returncode == 0, accepted.stderr
    assert verified(repository, digest, theirs).returncode != 0
    assert verified(repository, other.digest, ours).returncode != 0
