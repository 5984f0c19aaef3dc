"""Images are published complete or not at all, whatever the network does."""

import hashlib
import json
from pathlib import Path

import pytest
from oci.content import EMPTY, EMPTY_TYPE, Layout
from oci.errors import ConflictError, RegistryError
from oci.normalise import joined
from oci.references import fallback_tag

from tests.programs.oci.publishing import Make, Open, image_of, publish, sbom, skopeo
from tests.programs.oci.registry_server import Fault, Proxy

pytestmark = pytest.mark.integration


def test_every_tag_names_one_digest(registry: str, open_repository: Open, make_layout: Make) -> None:
    """After a publish every tag of an image names the same digest, as skopeo reads it."""
    layout = make_layout(b"one", b"two")
    publish(open_repository(f"{registry}/tags"), image_of(layout))
    listed = json.loads(skopeo("list-tags", "--tls-verify=false", f"docker://{registry}/tags"))
    assert listed["Tags"] == ["latest", "sha-0123456789ab"]
    for tag in listed["Tags"]:
        read = skopeo("inspect", "--tls-verify=false", f"docker://{registry}/tags:{tag}")
        assert json.loads(read)["Digest"] == layout.root().digest


def test_second_publish_pushes_nothing(
    proxy: Proxy, open_repository: Open, make_layout: Make, tmp_path: Path
) -> None:
    """The second publish of an image sends no body at all: every request is a read."""
    image = image_of(make_layout(b"same"), sbom(tmp_path / "referrers"))
    publish(open_repository(f"{proxy.address}/twice"), image)
    proxy.clear()
    tally = publish(open_repository(f"{proxy.address}/twice"), image).tally
    assert sum(proxy.sent) == 0
    assert {line.split()[0] for line in proxy.seen} == {"HEAD", "GET"}
    assert (tally.pushed_blobs, tally.written_manifests, tally.written_tags) == (0, 0, [])


def test_app_edit_sends_one_layer(proxy: Proxy, open_repository: Open, make_layout: Make) -> None:
    """After an edit only the changed layer, the configuration and manifests travel."""
    below = b"".join(hashlib.sha256(b"%d" % number).digest() for number in range(10_000))
    repository = open_repository(f"{proxy.address}/edit")
    publish(repository, image_of(make_layout(below, b"app 1"), immutable=("sha-1",)))
    proxy.clear()
    publish(repository, image_of(make_layout(below, b"app 2"), immutable=("sha-2",)))
    assert 0 < sum(proxy.sent) < 5_000


def test_immutable_tag_with_other_digest_is_refused(
    proxy: Proxy, open_repository: Open, make_layout: Make
) -> None:
    """A sha tag that names another image stops the publish before anything is sent."""
    repository = open_repository(f"{proxy.address}/conflict")
    publish(repository, image_of(first := make_layout(b"first")))
    proxy.clear()
    with pytest.raises(ConflictError, match=r"sha-0123456789ab is sha256:.*; expected sha256:"):
        publish(repository, image_of(make_layout(b"second")))
    assert sum(proxy.sent) == 0
    assert repository.digest("latest") == first.root().digest


def test_one_conflict_stops_all_variants(proxy: Proxy, open_repository: Open, make_layout: Make) -> None:
    """Variants are published together: a conflict of the last one leaves the first one unpublished."""
    repository = open_repository(f"{proxy.address}/together")
    publish(repository, image_of(make_layout(b"gpu 1"), immutable=("sha-1-gpu",), moving=()))
    cpu = image_of(make_layout(b"cpu"), immutable=("sha-1",))
    gpu = image_of(make_layout(b"gpu 2"), immutable=("sha-1-gpu",), moving=("latest-gpu",))
    with pytest.raises(ConflictError):
        publish(repository, cpu, gpu)
    assert repository.tags() == ["sha-1-gpu"]


def test_order_of_a_push(proxy: Proxy, open_repository: Open, make_layout: Make, tmp_path: Path) -> None:
    """Blobs come before the manifest, then referrers, then the immutable tag, then the moving tag."""
    image = image_of(make_layout(b"order"), sbom(tmp_path / "referrers"))
    publish(open_repository(f"{proxy.address}/order"), image)
    written = [line for line in proxy.seen if line.startswith("PUT")]
    root = image.layout.root()
    artifact = image.artifacts[0].manifest(root).digest
    names = [
        f"manifests/{part}"
        for part in (root.digest, artifact, fallback_tag(root.digest), *image.immutable, *image.moving)
    ]
    assert [line.partition("/v2/order/")[2] for line in written if "/manifests/" in line] == names
    last_blob = max(index for index, line in enumerate(written) if "/blobs/" in line)
    assert last_blob < written.index(f"PUT /v2/order/{names[1]}")
    assert all("/blobs/" in line for line in written[:2])


def test_referrers_are_found_through_the_fallback_tag(
    registry: str, open_repository: Open, make_layout: Make, tmp_path: Path
) -> None:
    """On a registry without a referrers list the documents are found through the fallback tag."""
    repository = open_repository(f"{registry}/referrers")
    artifacts = [sbom(tmp_path / str(number), b"%d" % number) for number in range(2)]
    layout = make_layout(b"referred")
    publish(repository, image_of(layout, *artifacts))
    found = repository.referrers(layout.root().digest, "application/vnd.cyclonedx+json")
    assert [entry["digest"] for entry in found] == [
        artifact.manifest(layout.root()).digest for artifact in artifacts
    ]
    manifest = repository.manifest(found[0]["digest"]).document
    assert repository.blob(manifest["layers"][0]["digest"]) == b"0"
    assert repository.blob(manifest["config"]["digest"]) == EMPTY
    assert repository.referrers(layout.root().digest, "application/other") == []


def test_tag_changed_behind_the_push_is_reported(
    proxy: Proxy, open_repository: Open, make_layout: Make, registry: str
) -> None:
    """A tag that another publisher moves before it is read back is an error, not a success."""
    repository = open_repository(f"{proxy.address}/raced")
    other = make_layout(b"other")
    publish(open_repository(f"{registry}/raced"), image_of(other, immutable=(), moving=("elsewhere",)))

    def race(method: str, path: str) -> Fault | None:
        if (method, path) == ("GET", "/v2/raced/manifests/latest"):
            open_repository(f"{registry}/raced").put_manifest(other.root(), "latest")
        return None

    proxy.fault = race
    with pytest.raises(RegistryError, match="Another publisher was at work"):
        publish(repository, image_of(make_layout(b"mine")))


def test_an_index_is_pushed_after_its_images(
    proxy: Proxy, open_repository: Open, make_layout: Make, tmp_path: Path
) -> None:
    """Images of two platforms go first, with what speaks for each; the index alone has the tags."""
    layouts = [make_layout(b"intel", architecture="amd64"), make_layout(b"arm", architecture="arm64")]
    index = joined(layouts, tmp_path / "index")
    bare = {"immutable": (), "moving": ()}
    images = [image_of(layout, sbom(tmp_path / "referrers"), **bare) for layout in layouts]
    repository = open_repository(f"{proxy.address}/platforms")
    publish(repository, *images, image_of(Layout(tmp_path / "index")))
    assert repository.digest("latest") == repository.digest("sha-0123456789ab") == index.digest
    assert repository.tags() == sorted(
        ["latest", "sha-0123456789ab", *(fallback_tag(layout.root().digest) for layout in layouts)]
    )
    for architecture, layout in zip(("amd64", "arm64"), layouts, strict=True):
        words = ["inspect", "--tls-verify=false", f"--override-arch={architecture}", "--config"]
        read = json.loads(skopeo(*words, f"docker://{proxy.address}/platforms:latest"))
        assert read["architecture"] == architecture
        assert len(repository.referrers(layout.root().digest)) == 1


def test_a_list_that_names_the_wrong_type_is_read_all_the_same(
    registry: str, open_repository: Open, make_layout: Make, tmp_path: Path
) -> None:
    """Some registries list the configuration's media type: the referrer's own manifest decides."""
    repository = open_repository(f"{registry}/mistyped")
    layout = make_layout(b"mistyped")
    publish(repository, image_of(layout, sbom(tmp_path / "referrers")))
    tag = fallback_tag(layout.root().digest)
    index = repository.manifest(tag)
    document = index.document
    document["manifests"][0]["artifactType"] = EMPTY_TYPE
    repository.put_manifest(type(index).of(document), tag)
    assert len(repository.referrers(layout.root().digest, "application/vnd.cyclonedx+json")) == 1
