"""Images are published complete or not at all, whatever the network does."""

import hashlib
import json
import random
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from oci.content import EMPTY, EMPTY_TYPE, Layout
from oci.errors import ConflictError, PassingError, RefusedError, RegistryError
from oci.normalise import joined
from oci.plans import Artifact, Plan, PlannedImage
from oci.pushing import Publisher
from oci.repository import Repository, fallback_tag

from tests.programs.oci.registry_server import Fault, Proxy

pytestmark = pytest.mark.integration

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


def random_faults(dice: random.Random) -> Callable[[str, str], Fault | None]:
    """Return faults that hit a tenth, two fifths or four fifths of all requests."""
    kinds = [Fault(503), Fault(429), Fault(cut="before"), Fault(cut="body"), Fault(cut="answer")]
    share = dice.choice([0.1, 0.4, 0.8])

    def fault(_method: str, _path: str) -> Fault | None:
        return dice.choice(kinds) if dice.random() < share else None

    return fault


def skopeo(*words: str) -> str:
    """Run skopeo and return what it prints."""
    return subprocess.run(["skopeo", *words], check=True, capture_output=True, text=True).stdout


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


@pytest.mark.parametrize(
    "fault",
    [
        Fault(503),
        Fault(429),
        Fault(500),
        Fault(408),
        Fault(cut="before"),
        Fault(cut="body"),
        Fault(cut="answer"),
    ],
    ids=str,
)
@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT"])
def test_three_faults_in_a_row_are_survived(
    proxy: Proxy, open_repository: Open, make_layout: Make, method: str, fault: Fault
) -> None:
    """Three failures in a row of any verb are tried again, and the publish is complete."""
    layout = make_layout(repr((method, fault)).encode())
    proxy.spoil(method, "/v2/", fault, fault, fault)
    repository = open_repository(f"{proxy.address}/faults")
    publish(repository, image_of(layout, immutable=(f"sha-{layout.root().digest[7:19]}",)))
    assert repository.digest("latest") == layout.root().digest


def test_sixth_failure_ends_it(proxy: Proxy, open_repository: Open, make_layout: Make) -> None:
    """Six failures of one request end the publish, with the number of tries."""
    proxy.spoil("PUT", "/manifests/", *[Fault(502)] * 6)
    with pytest.raises(PassingError, match=r"502 \(try 6 of 6\)"):
        publish(open_repository(f"{proxy.address}/six"), image_of(make_layout(b"six")))
    assert open_repository(f"{proxy.address}/six").tags() == []


def test_retry_after_is_waited_for(proxy: Proxy, open_repository: Open, make_layout: Make) -> None:
    """After 429 with Retry-After the next try does not come sooner than asked."""
    proxy.spoil("PUT", "/manifests/", Fault(429, retry_after="1"))
    publish(open_repository(f"{proxy.address}/later"), image_of(make_layout(b"later")))
    puts = [
        at
        for line, at in zip(proxy.seen, proxy.times, strict=True)
        if line.startswith("PUT /v2/later/manifests")
    ]
    assert puts[1] - puts[0] >= 1.0


def test_long_retry_after_is_not_waited_for(proxy: Proxy, open_repository: Open, make_layout: Make) -> None:
    """A registry that asks for an hour ends the publish at once."""
    proxy.spoil("PUT", "/manifests/", Fault(429, retry_after="3600"))
    with pytest.raises(PassingError, match="try 1 of 6"):
        publish(open_repository(f"{proxy.address}/hour"), image_of(make_layout(b"hour")))


@pytest.mark.parametrize(
    ("status", "error"), [(401, RefusedError), (403, RefusedError), (400, RegistryError)]
)
def test_refusals_are_not_tried_again(
    proxy: Proxy, open_repository: Open, make_layout: Make, status: int, error: type[RegistryError]
) -> None:
    """A refused write is one request, whatever the reason."""
    proxy.spoil("PUT", "/manifests/", *[Fault(status)] * 6)
    with pytest.raises(error):
        publish(open_repository(f"{proxy.address}/refused"), image_of(make_layout(b"refused")))
    assert len([line for line in proxy.seen if line.startswith("PUT /v2/refused/manifests")]) == 1


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


@pytest.mark.slow
def test_fifty_publishes_with_random_faults(
    proxy: Proxy, registry: str, open_repository: Open, make_layout: Make, tmp_path: Path
) -> None:
    """Of 50 publishes through random faults each is complete, or leaves the moving tag where it was."""
    dice = random.Random(20261121)  # noqa: S311 - the same faults at every run
    plain, spoiled = open_repository(f"{registry}/fifty"), open_repository(f"{proxy.address}/fifty")
    complete = 0
    for number in range(50):
        before = plain.digest("latest")
        proxy.fault = random_faults(dice)
        layout = make_layout(b"base", dice.randbytes(20_000))
        image = image_of(layout, sbom(tmp_path / "sbom"), immutable=(f"sha-{number}",))
        try:
            publish(spoiled, image)
        except RegistryError:
            assert plain.digest("latest") in (before, layout.root().digest)
        else:
            complete += 1
            assert plain.digest("latest") == layout.root().digest
        if now := plain.digest("latest"):
            folder = tmp_path / f"read-{number}"
            skopeo(
                "copy",
                "--quiet",
                "--src-tls-verify=false",
                f"docker://{registry}/fifty@{now}",
                f"dir:{folder}",
            )
            assert plain.referrers(now)
    assert 10 < complete < 50


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
