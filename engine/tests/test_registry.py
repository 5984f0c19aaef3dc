"""Spec of pulling and pushing, against real registries on this machine."""

import json
import os
import urllib.request
from pathlib import Path

import pytest

from wheelhouse_engine.imageconfig import ImageConfig, ImageError
from wheelhouse_engine.layers import Compression, LayerCache
from wheelhouse_engine.oci import Form, Image, MediaTypes, layout_of
from wheelhouse_engine.references import Reference
from wheelhouse_engine.registry import NotFoundError, Registry, mirror_from
from wheelhouse_engine.runner import Completed, ProcessRunner, RecordingRunner

pytestmark = pytest.mark.integration

RUNNER = ProcessRunner()
CONFIG = ImageConfig(env=("Q=7",), healthcheck={"Test": ["CMD", "true"]}, annotations={"an": "no"})
AMD64 = "linux/amd64"


def stored(address: str, name: str) -> tuple[str, bytes]:
    """Return digest and manifest that a registry has, asked without skopeo."""
    kinds = ("oci.image.manifest.v1", "oci.image.index.v1", "docker.distribution.manifest.v2")
    accept = ", ".join(f"application/vnd.{kind}+json" for kind in kinds)
    url = f"http://{address}/v2/{name.replace(':', '/manifests/')}"
    request = urllib.request.Request(url, headers={"Accept": accept})
    with urllib.request.urlopen(request) as answer:
        return answer.headers["Docker-Content-Digest"], answer.read()


@pytest.mark.parametrize(
    "form",
    [Form(), Form(Compression.ZSTD), Form(Compression.UNCOMPRESSED), Form(media_types=MediaTypes.DOCKER)],
    ids=["gzip", "zstd", "uncompressed", "docker"],
)
async def test_what_is_pushed_is_what_was_written(make_image, tmp_path, registry_client, registry, form):
    """The registry has the digest that was announced, and the address says it."""
    image = Image(config=CONFIG, image_id=make_image({"f": os.urandom(16)}))
    layout = await layout_of(LayerCache(tmp_path, RUNNER, registry_client.storage), [image], form)
    address = await registry_client.push(layout, Reference.parse(f"{registry}/pushed/app:v1"))

    assert address == f"{registry}/pushed/app:v1@{layout.digest}"
    assert stored(registry, "pushed/app:v1")[0] == layout.digest


async def test_an_address_without_a_tag_is_pushed_as_latest(registry_client, registry, new_layout):
    """No tag means latest."""
    address = await registry_client.push(new_layout, Reference.parse(f"{registry}/untagged"))

    assert address == f"{registry}/untagged:latest@{new_layout.digest}"


async def test_an_index_is_pushed_with_all_its_images(make_image, tmp_path, registry_client, registry):
    """Every platform of an index arrives under the index's digest."""
    images = [
        Image(config=ImageConfig(architecture=name), image_id=make_image({"p": name.encode()}))
        for name in ("amd64", "arm64")
    ]
    layout = await layout_of(LayerCache(tmp_path, RUNNER, registry_client.storage), images, Form())
    await registry_client.push(layout, Reference.parse(f"{registry}/multi:v1"))
    digest, raw = stored(registry, "multi:v1")
    pulled = await registry_client.pull(Reference.parse(f"{registry}/multi:v1"), "linux/arm64")

    assert digest == layout.digest
    assert [entry["platform"]["architecture"] for entry in json.loads(raw)["manifests"]] == ["amd64", "arm64"]
    assert pulled.config.architecture == "arm64"


async def test_a_pulled_image_has_its_configuration(registry_client, registry, new_layout):
    """Environment and healthcheck survive a push and a pull, by tag and by digest."""
    address = await registry_client.push(new_layout, Reference.parse(f"{registry}/pulled:v1"))
    by_tag = await registry_client.pull(Reference.parse(f"{registry}/pulled:v1"), AMD64)
    by_digest = await registry_client.pull(Reference.parse(address), AMD64)

    assert (by_tag.config.env, by_tag.config.healthcheck) == (CONFIG.env, CONFIG.healthcheck)
    assert by_tag == by_digest
    assert by_tag.digest == new_layout.digest


async def test_an_unknown_image_is_refused_in_the_words_of_the_reference_engine(registry_client, registry):
    """An image that the registry does not have is named with its platform."""
    reference = Reference.parse(f"{registry}/no/such-image:x")
    with pytest.raises(NotFoundError) as caught:
        await registry_client.pull(reference, AMD64)

    assert (
        str(caught.value)
        == f'failed to resolve image "{reference}" (platform: "{AMD64}"): {reference}: not found'
    )


async def test_a_mirror_answers_for_docker_hub(storage, registry, new_layout, registry_client):
    """With a mirror the address keeps its name, and unknown images the golden words."""
    await registry_client.push(new_layout, Reference.parse(f"{registry}/library/mirrored:v1"))
    mirrored = Registry(RUNNER, storage, mirror_from({"WHEELHOUSE_REGISTRY_MIRROR": f"http://{registry}/"}))
    pulled = await mirrored.pull(Reference.parse("mirrored:v1"), AMD64)
    with pytest.raises(NotFoundError) as caught:
        await mirrored.pull(Reference.parse("no/such-image:x"), AMD64)

    assert pulled.digest == new_layout.digest
    assert str(caught.value) == (
        'failed to resolve image "docker.io/no/such-image:x" (platform: "linux/amd64"): '
        "docker.io/no/such-image:x: not found"
    )


async def test_a_mirror_may_have_a_path(storage, registry, new_layout, registry_client):
    """A proxy registry keeps Docker Hub under a prefix."""
    await registry_client.push(new_layout, Reference.parse(f"{registry}/hub/library/deep:v1"))
    mirrored = Registry(RUNNER, storage, {"docker.io": f"{registry}/hub"})

    assert (await mirrored.pull(Reference.parse("deep:v1"), AMD64)).digest == new_layout.digest


async def test_an_image_for_another_machine_is_not_that_image(registry_client, registry, new_layout):
    """A single image of another platform than the asked one is refused."""
    await registry_client.push(new_layout, Reference.parse(f"{registry}/one-platform:v1"))
    with pytest.raises(NotFoundError, match="there is only linux/amd64"):
        await registry_client.pull(Reference.parse(f"{registry}/one-platform:v1"), "linux/arm64")


async def test_this_machines_signature_policy_decides(storage, monkeypatch, tmp_path, registry, new_layout):
    """A policy that rejects everything rejects a pull."""
    monkeypatch.setenv("HOME", str(tmp_path))
    reference = Reference.parse(f"{registry}/policy:v1")
    await Registry(RUNNER, storage, {}).push(new_layout, reference)
    (tmp_path / ".config/containers").mkdir(parents=True)
    (tmp_path / ".config/containers/policy.json").write_text('{"default": [{"type": "reject"}]}')
    with pytest.raises(ImageError, match="rejected by policy"):
        await Registry(RUNNER, storage, {}).pull(reference, AMD64)


async def test_other_bytes_than_given_are_refused(storage, registry, new_layout):
    """A push whose stored digest differs from the announced one is an error."""

    def store_other(call) -> Completed:
        Path(call.argv[call.argv.index("--digestfile") + 1]).write_text(f"sha256:{'0' * 64}")
        return Completed(0)

    client = Registry(RecordingRunner({("skopeo", "copy"): store_other}), storage, {})
    with pytest.raises(ImageError, match=f"stored sha256:{'0' * 64}, expected {new_layout.digest}"):
        await client.push(new_layout, Reference.parse(f"{registry}/other:v1"))


async def test_a_machine_without_skopeo_says_how_to_get_it(storage, registry, new_layout):
    """A missing program is named with the line that installs it."""

    def missing(_call) -> Completed:
        raise FileNotFoundError("skopeo")

    client = Registry(RecordingRunner({("skopeo",): missing}), storage, {})
    with pytest.raises(ImageError, match="apt-get install skopeo"):
        await client.push(new_layout, Reference.parse(f"{registry}/none:v1"))


async def test_plain_http_is_never_used_for_another_machine(storage, monkeypatch):
    """TLS is left out for loopback registries only."""

    async def answers(_host: str, _port: int) -> bool:
        return True

    monkeypatch.setattr("wheelhouse_engine.registry._connects", answers)
    runner = RecordingRunner({("skopeo", "inspect"): Completed(0, b"{}")})
    client = Registry(runner, storage, {})
    await client.pull(Reference.parse("r.example/a:v1"), AMD64)
    await client.pull(Reference.parse("127.0.0.1:5000/a:v1"), AMD64)

    copies = [call.argv for call in runner.calls if call.argv[1] == "copy"]
    assert ["--src-tls-verify=false" in argv for argv in copies] == [False, True]
