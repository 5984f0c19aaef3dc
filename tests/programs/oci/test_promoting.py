"""Images are copied by digest, with all that refers to them, and nothing is rebuilt."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from oci.content import OCI_INDEX, Blob, Layout, Manifest, all_manifests
from oci.errors import ConflictError, CorruptError, NotFoundError
from oci.plans import Artifact
from oci.promoting import Promotion
from oci.repository import Repository

from tests.programs.oci.registry_server import Fault, Proxy, proxy_before

pytestmark = pytest.mark.integration

Open = Callable[..., Repository]
Make = Callable[..., Layout]


def upload(repository: Repository, layout: Layout) -> Manifest:
    """Push a layout without tags and return its root."""
    for manifest in all_manifests(layout.manifest, layout.root()):
        for descriptor in manifest.blobs():
            repository.push_blob(layout.blob(descriptor))
        repository.put_manifest(manifest)
    return layout.root()


def attach(repository: Repository, subject: Manifest, folder: Path, content: bytes) -> Manifest:
    """Attach a document to a manifest and return the document's manifest."""
    folder.mkdir()
    (folder / "a").write_bytes(content)
    (folder / "referrers.json").write_text(json.dumps([{"file": "a", "artifact_type": "application/vnd.a"}]))
    artifact = Artifact.read_all(folder)[0]
    repository.push_blob(artifact.document)
    repository.push_blob(Blob.of(b"{}"))
    repository.put_referrer(artifact.manifest(subject))
    return artifact.manifest(subject)


def test_a_copy_has_digest_tags_and_referrers(
    registry: str, other_registry: str, open_repository: Open, make_layout: Make, tmp_path: Path
) -> None:
    """Between registries the digest stays, and so do documents and documents about documents."""
    source, target = open_repository(f"{registry}/from"), open_repository(f"{other_registry}/to")
    root = upload(source, make_layout(b"one", b"two"))
    sbom = attach(source, root, tmp_path / "sbom", b"sbom")
    signature = attach(source, sbom, tmp_path / "signature", b"signature")
    report = Promotion(source, target).promote(root.digest, ("1.2.3",), ("stable",))
    assert report["reference"] == f"{other_registry}/to@{root.digest}"
    assert target.digest("1.2.3") == target.digest("stable") == root.digest
    assert [entry["digest"] for entry in target.referrers(root.digest)] == [sbom.digest]
    assert [entry["digest"] for entry in target.referrers(sbom.digest)] == [signature.digest]
    assert target.blob(signature.document["layers"][0]["digest"]) == b"signature"


def test_within_a_registry_no_blob_travels(proxy: Proxy, open_repository: Open, make_layout: Make) -> None:
    """On one registry blobs are mounted: only manifests are sent."""
    source, target = open_repository(f"{proxy.address}/here"), open_repository(f"{proxy.address}/there")
    root = upload(source, make_layout(b"x" * 50_000))
    proxy.clear()
    Promotion(source, target).promote(root.digest, (), ("stable",))
    assert target.digest("stable") == root.digest
    assert not [line for line in proxy.seen if line.startswith("PUT") and "/blobs/" in line]
    assert sum(proxy.sent) < 2_000


def test_an_index_is_copied_whole(
    registry: str, other_registry: str, open_repository: Open, make_layout: Make
) -> None:
    """Every platform of an index arrives, and the index keeps its digest."""
    source, target = open_repository(f"{registry}/index"), open_repository(f"{other_registry}/index")
    entries = [
        {
            **upload(source, make_layout(name)).descriptor,
            "platform": {"os": "linux", "architecture": name.decode()},
        }
        for name in (b"amd64", b"arm64")
    ]
    index = Manifest.of({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries})
    source.put_manifest(index, "multi")
    Promotion(source, target).promote("multi", (), ("multi",))
    assert target.digest("multi") == index.digest
    for entry in entries:
        for blob in target.manifest(str(entry["digest"])).blobs():
            assert target.has_blob(blob["digest"])


def test_a_taken_immutable_tag_is_refused(
    registry: str, other_registry: str, open_repository: Open, make_layout: Make
) -> None:
    """A version that names another image in the target stops the copy before it begins."""
    source, target = open_repository(f"{registry}/taken"), open_repository(f"{other_registry}/taken")
    old, new = upload(target, make_layout(b"old")), upload(source, make_layout(b"new"))
    target.put_manifest(old, "1.0.0")
    with pytest.raises(ConflictError, match="Choose another tag"):
        Promotion(source, target).promote(new.digest, ("1.0.0",), ())
    assert target.digest(new.digest) is None


def test_an_immutable_tag_taken_during_the_copy_stays(
    registry: str, proxy: Proxy, open_repository: Open, make_layout: Make
) -> None:
    """Who publishes another image under the tag meanwhile keeps it, and no tag is written."""
    source = open_repository(f"{registry}/slow-source")
    direct, target = open_repository(f"{registry}/slow"), open_repository(f"{proxy.address}/slow")
    theirs, ours = upload(direct, make_layout(b"theirs")), upload(source, make_layout(b"slow"))

    def overtake(method: str, path: str) -> Fault | None:
        if method == "PUT" and "/manifests/sha256:" in path:
            direct.put_manifest(theirs, "1.0.0")
        return None

    proxy.fault = overtake
    with pytest.raises(ConflictError, match="Choose another tag"):
        Promotion(source, target).promote(ours.digest, ("1.0.0",), ("stable",))
    assert direct.tags() == ["1.0.0"]
    assert direct.digest("1.0.0") == theirs.digest


def test_what_is_not_there_is_named(registry: str, open_repository: Open) -> None:
    """A missing source is an error, and one try."""
    repository = open_repository(f"{registry}/absent")
    with pytest.raises(NotFoundError, match="404"):
        Promotion(repository, repository).promote("nothing", (), ())


@pytest.mark.parametrize("fault", [Fault(503), Fault(429), Fault(cut="before"), Fault(cut="answer")], ids=str)
def test_faults_of_the_source_are_survived(
    registry: str, other_registry: str, open_repository: Open, make_layout: Make, fault: Fault
) -> None:
    """Three failed downloads in a row are tried again."""
    layout = make_layout(repr(fault).encode())
    root = upload(open_repository(f"{registry}/flaky"), layout)
    target = open_repository(f"{other_registry}/flaky")
    with proxy_before(registry) as proxy:
        proxy.spoil("GET", "/blobs/", fault, fault, fault)
        Promotion(open_repository(f"{proxy.address}/flaky"), target).promote(root.digest, (), ("t",))
    assert target.digest("t") == root.digest


def test_what_came_before_a_cut_is_not_fetched_again(
    registry: str, open_repository: Open, tmp_path: Path
) -> None:
    """Of a download that is cut twice each byte goes over the wire once."""
    content = os.urandom(3_000_000)
    blob = Blob.of(content)
    open_repository(f"{registry}/halves").push_blob(blob)
    with proxy_before(registry) as proxy:
        proxy.spoil("GET", "/blobs/", Fault(cut="middle"), Fault(cut="middle"))
        source = open_repository(f"{proxy.address}/halves")
        source.fetch_blob({"digest": blob.digest, "size": blob.size}, tmp_path / "blob")
        assert proxy.given == len(content)
    assert (tmp_path / "blob").read_bytes() == content


def test_damaged_bytes_are_never_passed_on(
    start_registry: Callable[..., tuple[str, Path]],
    other_registry: str,
    open_repository: Open,
    make_layout: Make,
) -> None:
    """A blob that changed on the source's disk is refused, and the target gets no tag."""
    address, home = start_registry()
    source, target = open_repository(f"{address}/rot"), open_repository(f"{other_registry}/rot")
    root = upload(source, make_layout(b"rot"))
    digest = root.document["layers"][0]["digest"][7:]
    data = home / "data/docker/registry/v2/blobs/sha256" / digest[:2] / digest / "data"
    data.write_bytes(bytes(reversed(data.read_bytes())))
    with pytest.raises(CorruptError, match="damaged or replaced"):
        Promotion(source, target).promote(root.digest, (), ("t",))
    assert target.tags() == []
