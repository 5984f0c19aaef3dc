"""What single registries do otherwise than the specification says, played by the proxy."""

from pathlib import Path

import pytest
from oci.content import OCI_INDEX, Layout, compact
from oci.errors import ConflictError, RegistryError
from oci.normalise import joined
from oci.references import fallback_tag
from oci.retry import asked_wait_s
from oci.transport import Request

from tests.programs.oci.publishing import Make, Open, image_of, publish, sbom
from tests.programs.oci.registry_server import Fault, Proxy

pytestmark = pytest.mark.integration
PAGE = Fault(200, headers={"Content-Type": "text/html"}, body=b"<html>sign in</html>")


@pytest.mark.parametrize(
    "answer", [Fault(400), Fault(405), Fault(406), PAGE], ids=lambda one: str(one.status)
)
def test_a_registry_that_knows_no_list_is_asked_for_the_tag(
    proxy: Proxy, open_repository: Open, make_layout: Make, tmp_path: Path, answer: Fault
) -> None:
    """Whatever is answered instead of 404: what refers to an image is attached and found by its tag."""
    proxy.fault = lambda _, path: answer if "/referrers/" in path else None
    repository, layout = open_repository(f"{proxy.address}/listless"), make_layout(str(answer).encode())
    artifact = sbom(tmp_path / "referrers")
    publish(repository, image_of(layout, artifact, immutable=()))
    [found] = repository.referrers(layout.root().digest)
    assert found["digest"] == artifact.manifest(layout.root()).digest


def test_a_list_on_another_host_is_none(
    proxy: Proxy, open_repository: Open, make_layout: Make, tmp_path: Path
) -> None:
    """ghcr.io redirects to a web page that answers 429: it is not asked, the tag is."""
    elsewhere = f"http://localhost:{proxy.address.partition(':')[2]}/web"
    away = Fault(303, headers={"Location": elsewhere})
    proxy.fault = lambda _, path: away if "/referrers/" in path else None
    repository, layout = open_repository(f"{proxy.address}/sent-away"), make_layout(b"sent away")
    publish(repository, image_of(layout, sbom(tmp_path / "referrers")))
    assert len(repository.referrers(layout.root().digest)) == 1
    assert "GET /web" not in proxy.seen


def test_a_redirected_question_stays_one(proxy: Proxy, open_repository: Open) -> None:
    """A registry may keep its blobs elsewhere: whether one is there is asked there, and none is fetched."""
    elsewhere = f"http://localhost:{proxy.address.partition(':')[2]}/v2/"
    proxy.spoil("HEAD", "/blobs/", Fault(307, headers={"Location": elsewhere}))
    assert open_repository(f"{proxy.address}/elsewhere").has_blob(f"sha256:{5:064}")
    assert [line.split()[0] for line in proxy.seen] == ["HEAD", "HEAD"]


def test_a_list_in_parts_is_read_to_its_end(proxy: Proxy, open_repository: Open) -> None:
    """Where the registry names a next page it is asked for."""
    digests = [f"sha256:{number:064}" for number in (1, 2)]
    entries = [{"digest": digest, "artifactType": "application/x"} for digest in digests]
    bodies = [compact({"mediaType": OCI_INDEX, "manifests": [entry]}) for entry in entries]
    headers = {"Content-Type": f"{OCI_INDEX}; charset=utf-8"}
    first = Fault(200, headers={**headers, "Link": '<?last=1>; rel="next"'}, body=bodies[0])
    proxy.spoil("GET", "/referrers/", first, Fault(200, headers=headers, body=bodies[1]))
    found = open_repository(f"{proxy.address}/parts").referrers(f"sha256:{0:064}")
    assert [entry["digest"] for entry in found] == digests


def test_a_tag_that_gives_the_subject_lists_nothing(
    registry: str, open_repository: Open, make_layout: Make, tmp_path: Path
) -> None:
    """GitLab's registry takes the fallback tag for the digest: an index's images do not refer to it."""
    index = joined([make_layout(b"a", architecture=name) for name in ("amd64", "arm64")], tmp_path / "index")
    repository = open_repository(f"{registry}/dashes")
    publish(repository, image_of(Layout(tmp_path / "index")))
    repository.put_manifest(index, fallback_tag(index.digest))
    assert repository.referrers(index.digest) == []


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Fault(202), "without Location"),
        (Fault(302, headers={"Location": "http://localhost/"}), "POST .*: 302"),
    ],
)
def test_an_upload_that_has_no_place_is_refused_by_name(
    proxy: Proxy, open_repository: Open, make_layout: Make, answer: Fault, said: str
) -> None:
    """An answer without a place for the blob, or a redirect of the question, ends the publish with a line."""
    proxy.fault = lambda method, _: answer if method == "POST" else None
    with pytest.raises(RegistryError, match=said):
        publish(open_repository(f"{proxy.address}/placeless"), image_of(make_layout(said.encode())))


def test_an_immutable_tag_taken_during_the_push_stays(
    proxy: Proxy, registry: str, open_repository: Open, make_layout: Make
) -> None:
    """Who publishes another image under the tag meanwhile keeps it, and no tag of ours is written."""
    theirs, ours = make_layout(b"theirs"), make_layout(b"ours")
    other = open_repository(f"{registry}/overtaken")
    publish(other, image_of(theirs, immutable=("sha-9",), moving=()))

    def overtake(method: str, path: str) -> Fault | None:
        if method == "PUT" and "/manifests/sha256:" in path:
            other.put_manifest(theirs.root(), "sha-0123456789ab")
        return None

    proxy.fault = overtake
    with pytest.raises(ConflictError, match="sha-0123456789ab is sha256:"):
        publish(open_repository(f"{proxy.address}/overtaken"), image_of(ours))
    assert other.tags() == ["sha-0123456789ab", "sha-9"]
    assert other.digest("sha-0123456789ab") == theirs.root().digest


def test_a_large_blob_may_take_its_time() -> None:
    """A registry stores 2 GB for minutes without a byte; a question is given up after one."""
    assert Request("GET", "/v2/").longest_silence_s == 60
    assert Request("PUT", "/v2/x", {"Content-Length": "2000000000"}).longest_silence_s == 260


def test_a_wait_in_other_digits_is_nonsense() -> None:
    """What only looks like a number of seconds is no reason to fail."""
    assert asked_wait_s("\xb2") == 0


def test_the_fallback_list_is_an_index(registry: str, open_repository: Open, make_layout: Make) -> None:
    """A tag that names an image of its own lists nothing."""
    repository, layout = open_repository(f"{registry}/squatted"), make_layout(b"squatted")
    publish(repository, image_of(layout, immutable=()))
    repository.put_manifest(layout.root(), fallback_tag(f"sha256:{7:064}"))
    assert repository.referrers(f"sha256:{7:064}") == []
