"""Spec of pulling and pushing, against real registries on this machine."""

import asyncio
import base64
import json
import os
import socket
import time
import urllib.request
from pathlib import Path

import pytest

from pipeline.engine.credentials import Credentials, auth_file
from pipeline.engine.imageconfig import ImageConfig, ImageError
from pipeline.engine.layers import Compression, LayerCache
from pipeline.engine.oci import Form, Image, MediaTypes, layout_of
from pipeline.engine.references import Reference
from pipeline.engine.registry import NoAnswerError, NotFoundError, Registry, mirror_from
from pipeline.engine.runner import Completed, ProcessRunner, RecordingRunner

RUNNER = ProcessRunner()
CONFIG = ImageConfig(env=("Q=7",), healthcheck={"Test": ["CMD", "true"]}, annotations={"an": "no"})
AMD64 = "linux/amd64"


@pytest.fixture
def client(storage) -> Registry:
    """Give a client that hardly waits between attempts."""
    return Registry(RUNNER, storage, {}, first_wait_s=0.01)


@pytest.fixture
async def layout(storage, make_image, tmp_path):
    """Give a layout that no registry has yet."""
    image = Image(config=CONFIG, image_id=make_image({"new": os.urandom(16)}))
    return await layout_of(LayerCache(tmp_path / "cache", RUNNER, storage), [image], Form())


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
async def test_what_is_pushed_is_what_was_written(make_image, tmp_path, client, registry, form):
    """The registry has the digest that was announced, and the address says it."""
    image = Image(config=CONFIG, image_id=make_image({"f": os.urandom(16)}))
    layout = await layout_of(LayerCache(tmp_path, RUNNER, client.storage), [image], form)
    address = await client.push(layout, Reference.parse(f"{registry}/pushed/app:v1"))

    assert address == f"{registry}/pushed/app:v1@{layout.digest}"
    assert stored(registry, "pushed/app:v1")[0] == layout.digest


async def test_an_address_without_a_tag_is_pushed_as_latest(client, registry, layout):
    """No tag means latest."""
    address = await client.push(layout, Reference.parse(f"{registry}/untagged"))

    assert address == f"{registry}/untagged:latest@{layout.digest}"


async def test_an_index_is_pushed_with_all_its_images(make_image, tmp_path, client, registry):
    """Every platform of an index arrives under the index's digest."""
    images = [
        Image(config=ImageConfig(architecture=name), image_id=make_image({"p": name.encode()}))
        for name in ("amd64", "arm64")
    ]
    layout = await layout_of(LayerCache(tmp_path, RUNNER, client.storage), images, Form())
    await client.push(layout, Reference.parse(f"{registry}/multi:v1"))
    digest, raw = stored(registry, "multi:v1")
    pulled = await client.pull(Reference.parse(f"{registry}/multi:v1"), "linux/arm64")

    assert digest == layout.digest
    assert [entry["platform"]["architecture"] for entry in json.loads(raw)["manifests"]] == ["amd64", "arm64"]
    assert pulled.config.architecture == "arm64"


async def test_a_pulled_image_has_its_configuration(client, registry, layout):
    """Environment and healthcheck survive a push and a pull, by tag and by digest."""
    address = await client.push(layout, Reference.parse(f"{registry}/pulled:v1"))
    by_tag = await client.pull(Reference.parse(f"{registry}/pulled:v1"), AMD64)
    by_digest = await client.pull(Reference.parse(address), AMD64)

    assert (by_tag.config.env, by_tag.config.healthcheck) == (CONFIG.env, CONFIG.healthcheck)
    assert by_tag == by_digest
    assert by_tag.digest == layout.digest


async def test_an_unknown_image_is_refused_in_the_words_of_the_reference_engine(client, registry):
    """An image that the registry does not have is named with its platform."""
    reference = Reference.parse(f"{registry}/no/such-image:x")
    with pytest.raises(NotFoundError) as caught:
        await client.pull(reference, AMD64)

    assert (
        str(caught.value)
        == f'failed to resolve image "{reference}" (platform: "{AMD64}"): {reference}: not found'
    )


async def test_a_mirror_answers_for_docker_hub(storage, registry, layout, client):
    """With a mirror the address keeps its name, and unknown images the golden words."""
    await client.push(layout, Reference.parse(f"{registry}/library/mirrored:v1"))
    mirrored = Registry(RUNNER, storage, mirror_from({"WHEELHOUSE_REGISTRY_MIRROR": f"http://{registry}/"}))
    pulled = await mirrored.pull(Reference.parse("mirrored:v1"), AMD64)
    with pytest.raises(NotFoundError) as caught:
        await mirrored.pull(Reference.parse("no/such-image:x"), AMD64)

    assert pulled.digest == layout.digest
    assert str(caught.value) == (
        'failed to resolve image "docker.io/no/such-image:x" (platform: "linux/amd64"): '
        "docker.io/no/such-image:x: not found"
    )


async def test_a_mirror_may_have_a_path(storage, registry, layout, client):
    """A proxy registry keeps Docker Hub under a prefix."""
    await client.push(layout, Reference.parse(f"{registry}/hub/library/deep:v1"))
    mirrored = Registry(RUNNER, storage, {"docker.io": f"{registry}/hub"})

    assert (await mirrored.pull(Reference.parse("deep:v1"), AMD64)).digest == layout.digest


async def test_a_registry_that_does_not_exist_is_named_at_once(storage):
    """No such host is an error in seconds, and asked once per session."""
    runner = RecordingRunner()
    client = Registry(runner, storage, {})
    started = time.monotonic()
    for name in ("a", "b"):
        with pytest.raises(NoAnswerError, match=r"registry no-such-host\.invalid:443 does not answer"):
            await client.pull(Reference.parse(f"no-such-host.invalid/{name}"), AMD64)

    assert time.monotonic() - started < 6
    assert (runner.calls, list(client.silent)) == ([], ["no-such-host.invalid:443"])


async def test_a_registry_that_is_silent_is_given_five_seconds_once(storage, monkeypatch):
    """A connection that is never accepted is bounded, and not tried again."""
    monkeypatch.setattr("pipeline.engine.registry.CONNECT_TIMEOUT_S", 0.3)
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        waiting = [socket.socket() for _ in range(3)]
        for full in waiting:  # fill the queue, so that the next connection hangs
            full.setblocking(False)
            full.connect_ex(deaf.getsockname())
        client = Registry(RecordingRunner(), storage, {})
        reference = Reference.parse(f"127.0.0.1:{deaf.getsockname()[1]}/a")
        started = time.monotonic()
        for _ in range(2):
            with pytest.raises(NoAnswerError, match="does not answer"):
                await client.pull(reference, AMD64)
        for full in waiting:
            full.close()

    assert time.monotonic() - started < 0.6


async def test_credentials_open_a_private_registry(client, start_registry, credentials, layout):
    """The right password pushes and pulls."""
    private = start_registry(private=True)
    reference = Reference.parse(f"{private}/app:v1")
    await client.push(layout, reference, credentials)

    assert (await client.pull(reference, AMD64, credentials)).digest == layout.digest


@pytest.mark.parametrize(
    "given", [None, Credentials("ci", "wrong"), Credentials("other", "canary-7c1f-pass")]
)
async def test_wrong_credentials_are_refused_at_once(storage, start_registry, layout, given):
    """A registry that refuses is asked once and says so, without the password."""
    private = start_registry(private=True)
    count = CountingRunner()
    client = Registry(count, storage, {}, first_wait_s=5)
    with pytest.raises(ImageError, match=r"failed to publish .* the registry refuses access: .*") as caught:
        await client.push(layout, Reference.parse(f"{private}/app:v1"), given)

    assert (count.started, isinstance(caught.value, NoAnswerError)) == (1, False)
    assert given is None or given.password not in str(caught.value)


async def test_a_password_is_never_in_an_argument_list(client, start_registry, credentials, layout):
    """No process of this machine shows the password while a push runs."""
    private = start_registry(private=True)
    seen: list[bytes] = []

    async def watch() -> None:
        while True:
            for process in Path("/proc").glob("[0-9]*"):
                try:
                    seen.append((process / "cmdline").read_bytes())
                except OSError:
                    continue
            await asyncio.sleep(0)

    watching = asyncio.create_task(watch())
    await client.push(layout, Reference.parse(f"{private}/watched:v1"), credentials)
    watching.cancel()
    secret = [credentials.password, base64.b64encode(f"ci:{credentials.password}".encode()).decode()]

    assert any(b"skopeo" in line and b"--authfile" in line for line in seen)
    assert not [line for line in seen for word in secret if word.encode() in line]


def test_a_password_file_is_private_in_memory_and_short_lived(credentials):
    """Only this user can read the file; it is on a tmpfs and removed after."""
    with auth_file("r.example", credentials) as options:
        path = Path(options[1])
        mode, kind = path.stat().st_mode & 0o777, path.parts[1:3]
        document = json.loads(path.read_text())

    assert (mode, path.exists()) == (0o600, False)
    assert kind in (("dev", "shm"), ("run", "user"))
    assert base64.b64decode(document["auths"]["r.example"]["auth"]) == b"ci:canary-7c1f-pass"
    assert credentials.password not in repr(credentials)


class CountingRunner(ProcessRunner):
    """Run real processes and count the copies."""

    def __init__(self) -> None:
        super().__init__()
        object.__setattr__(self, "started", 0)

    started: int

    async def run(self, argv, **options) -> Completed:
        """Count and run."""
        object.__setattr__(self, "started", self.started + (argv[:2] == ["skopeo", "copy"]))
        return await super().run(argv, **options)


@pytest.mark.parametrize(
    "faults",
    [
        [("PUT", 503), ("PUT", 503)],
        [("PUT", 500)],
        [("PATCH", 502)],
        [("PUT", 0)],
        [("POST", 0)],
        [("PUT", 429)],
    ],
    ids=str,
)
async def test_a_passing_fault_is_tried_again(client, fault_proxy, layout, faults):
    """5xx, 429 and a cut connection cost a wait, not the push."""
    fault_proxy.faults = list(faults)
    address = await client.push(layout, Reference.parse(f"{fault_proxy.address}/faulty:v1"))

    assert fault_proxy.faults == []
    assert address.endswith(layout.digest)
    assert stored(fault_proxy.address, "faulty:v1")[0] == layout.digest


async def test_a_pull_survives_a_fault(client, fault_proxy, layout):
    """503 twice and then an answer is an image."""
    reference = Reference.parse(f"{fault_proxy.address}/pulled-faulty:v1")
    await client.push(layout, reference)
    fault_proxy.faults = [("GET", 503), ("GET", 503)]

    assert (await client.pull(reference, AMD64)).digest == layout.digest


async def test_a_lasting_fault_ends_after_six_tries(storage, fault_proxy, layout):
    """A registry that is broken is given up with its own words."""
    fault_proxy.faults = [("PUT", 503)] * 50
    count = CountingRunner()
    client = Registry(count, storage, {}, first_wait_s=0.01)
    with pytest.raises(ImageError, match=r"failed to publish .*503"):
        await client.push(layout, Reference.parse(f"{fault_proxy.address}/broken:v1"))

    assert count.started == 6


@pytest.mark.parametrize("status", [403, 404])
async def test_a_refusal_is_not_tried_again(storage, fault_proxy, layout, status):
    """403 and 404 are answers."""
    fault_proxy.faults = [("PUT", status)] * 50
    count = CountingRunner()
    client = Registry(count, storage, {}, first_wait_s=5)
    with pytest.raises(ImageError, match="failed to publish"):
        await client.push(layout, Reference.parse(f"{fault_proxy.address}/refused:v1"))

    assert count.started == 1


async def test_other_bytes_than_given_are_refused(storage, registry, layout):
    """A push whose stored digest differs from the announced one is an error."""

    def store_other(call) -> Completed:
        Path(call.argv[call.argv.index("--digestfile") + 1]).write_text(f"sha256:{'0' * 64}")
        return Completed(0)

    client = Registry(RecordingRunner({("skopeo", "copy"): store_other}), storage, {})
    with pytest.raises(ImageError, match=f"stored sha256:{'0' * 64}, expected {layout.digest}"):
        await client.push(layout, Reference.parse(f"{registry}/other:v1"))


async def test_a_machine_without_skopeo_says_how_to_get_it(storage, registry, layout):
    """A missing program is named with the line that installs it."""

    def missing(_call) -> Completed:
        raise FileNotFoundError("skopeo")

    client = Registry(RecordingRunner({("skopeo",): missing}), storage, {})
    with pytest.raises(ImageError, match="apt-get install skopeo"):
        await client.push(layout, Reference.parse(f"{registry}/none:v1"))


async def test_plain_http_is_never_used_for_another_machine(storage, monkeypatch):
    """TLS is left out for loopback registries only."""

    async def answers(_host: str, _port: int) -> bool:
        return True

    monkeypatch.setattr("pipeline.engine.registry._connects", answers)
    runner = RecordingRunner({("skopeo", "inspect"): Completed(0, b"{}")})
    client = Registry(runner, storage, {})
    await client.pull(Reference.parse("r.example/a:v1"), AMD64)
    await client.pull(Reference.parse("127.0.0.1:5000/a:v1"), AMD64)

    copies = [call.argv for call in runner.calls if call.argv[1] == "copy"]
    assert ["--src-tls-verify=false" in argv for argv in copies] == [False, True]
