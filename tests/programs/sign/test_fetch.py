"""What is attached to a published image is found again in a real registry, and checked."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.programs.interpreters import run_program
from tests.programs.oci.registry_server import Kind, running
from tests.programs.sign.conftest import STATEMENT, Signer

from oci.content import Blob, Manifest  # isort: skip - found through conftest
from oci.repository import Repository  # isort: skip

pytestmark = pytest.mark.integration

EMPTY = "application/vnd.oci.empty.v1+json"
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Repository]:
    """Offer an empty repository of a registry without a referrers API."""
    if not shutil.which("docker-registry"):
        pytest.skip("docker-registry is not installed")
    home = tmp_path / "registry"
    home.mkdir()
    with running(home, Kind()) as host:
        yield Repository.open(f"{host}/demo")


def push(repository: Repository, content: bytes, **more: object) -> Manifest:
    """Push a manifest with one layer; return it."""
    config, layer = Blob.of(b"{}"), Blob.of(content)
    repository.push_blob(config)
    repository.push_blob(layer)
    manifest = Manifest.of(
        {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {"mediaType": EMPTY, "digest": config.digest, "size": config.size},
            "layers": [{"mediaType": "application/octet-stream", "digest": layer.digest, "size": layer.size}],
            **more,
        }
    )
    if "subject" in more:
        repository.put_referrer(manifest)
    else:
        repository.put_manifest(manifest, "latest")
    return manifest


def attach(repository: Repository, image: Manifest, content: bytes) -> None:
    """Attach a bundle to an image."""
    push(repository, content, artifactType=BUNDLE, subject=image.descriptor)


def fetch(signer: Signer, repository: Repository) -> "tuple[int, str]":
    """Run sign.fetch on the tag; return its exit status and stderr."""
    words = ["--type", BUNDLE, "--out", signer.folder / "fetched", f"{repository.name}:latest"]
    done = run_program(signer.python, "sign.fetch", *words)
    return done.returncode, done.stderr


def test_a_referrer_that_holds_nothing_is_left_out(signer, repository):
    """Who may write to the registry cannot stop a verification by an empty referrer."""
    image = push(repository, b"layer")
    push(repository, b"", artifactType=BUNDLE, subject=image.descriptor, layers=[])
    attach(repository, image, b"{}")

    assert fetch(signer, repository) == (0, "")
    assert sorted(path.name for path in (signer.folder / "fetched").iterdir()) == ["0.json", "digest"]


def test_a_published_statement_is_verified_from_the_registry(signer, repository):
    """Signed, attached, fetched by tag and verified: the way of a deployed image back to its source."""
    image = push(repository, b"layer")
    key = signer.key("ours")
    subject = [{"name": "demo", "digest": {"sha256": image.digest.removeprefix("sha256:")}}]
    signer.sign(key, STATEMENT | {"subject": subject})
    attach(repository, image, signer.bundle.read_bytes())
    assert fetch(signer, repository) == (0, "")
    shutil.copy(signer.folder / "fetched" / "0.json", signer.bundle)

    assert (signer.folder / "fetched" / "digest").read_text() == image.digest
    assert signer.verify(key.with_suffix(".pub"), image.digest).returncode == 0


def test_an_image_without_statements_is_refused(signer, repository):
    """Nothing attached is exit status 1, not an empty success."""
    push(repository, b"layer")
    status, reason = fetch(signer, repository)

    assert (status, "has no referrer of type" in reason) == (1, True)


def test_a_referrer_of_another_image_is_left_out(signer, repository):
    """A list that names a foreign referrer does not attach it: its own subject decides."""
    other = push(repository, b"other")
    image = push(repository, b"layer")
    attach(repository, other, json.dumps(STATEMENT).encode())
    index = repository.manifest(other.digest.replace(":", "-"))
    repository.put_manifest(index, image.digest.replace(":", "-"))

    assert fetch(signer, repository)[0] == 1


def test_a_registry_that_does_not_answer_is_said(signer):
    """A registry out of reach is exit status 1 with its address."""
    words = ["--type", BUNDLE, "--out", signer.folder / "fetched", "127.0.0.1:9/demo:latest"]
    done = run_program(signer.python, "sign.fetch", *words)

    assert (done.returncode, "127.0.0.1:9" in done.stderr) == (1, True)
