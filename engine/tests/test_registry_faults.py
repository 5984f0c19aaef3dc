"""Spec of registries that fail: what is tried again, and what is not."""

import random
import socket
import urllib.request

import pytest

from wheelhouse_engine import registry
from wheelhouse_engine.imageconfig import ImageConfig, ImageError
from wheelhouse_engine.references import Reference
from wheelhouse_engine.registry import NoAnswerError, Registry
from wheelhouse_engine.runner import ProcessRunner, RecordingRunner

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
async def test_a_passing_fault_is_tried_again(registry_client, fault_proxy, new_layout, faults):
    """5xx, 429 and a cut connection cost a wait, not the push."""
    fault_proxy.faults = list(faults)
    address = await registry_client.push(new_layout, Reference.parse(f"{fault_proxy.address}/faulty:v1"))

    assert fault_proxy.faults == []
    assert address.endswith(new_layout.digest)
    assert stored(fault_proxy.address, "faulty:v1")[0] == new_layout.digest


async def test_a_pull_survives_a_fault(registry_client, fault_proxy, new_layout):
    """503 twice and then an answer is an image."""
    reference = Reference.parse(f"{fault_proxy.address}/pulled-faulty:v1")
    await registry_client.push(new_layout, reference)
    fault_proxy.faults = [("GET", 503), ("GET", 503)]

    assert (await registry_client.pull(reference, AMD64)).digest == new_layout.digest


async def test_a_pull_survives_seven_faults_in_a_row(registry_client, fault_proxy, new_layout):
    """A registry that answers 503 to seven tries is waited for; a try asks up to three times."""
    reference = Reference.parse(f"{fault_proxy.address}/pulled-late:v1")
    await registry_client.push(new_layout, reference)
    fault_proxy.faults = [("GET", 503)] * 21

    assert (await registry_client.pull(reference, AMD64)).digest == new_layout.digest


@pytest.mark.parametrize("seed", range(2))
async def test_a_pull_survives_random_faults(registry_client, empty_storage, fault_proxy, tall_layout, seed):
    """An image of eight layers arrives although one of seven requests fails: layers that arrived are kept."""
    reference = Reference.parse(f"{fault_proxy.address}/random-{seed}:v1")
    await registry_client.push(tall_layout, reference)
    chance = random.Random(seed)  # noqa: S311 - the same faults each time
    fault_proxy.chance = lambda: chance.choice([503, 502, 0]) if chance.random() < 0.15 else None

    client = Registry(RUNNER, empty_storage, {}, first_wait_s=0.01)
    assert (await client.pull(reference, AMD64)).digest == tall_layout.digest


async def test_a_lasting_fault_ends_after_twelve_tries(storage, counting_runner, fault_proxy, new_layout):
    """A registry that is broken is given up with its own words."""
    fault_proxy.faults = [("PUT", 503)] * 50
    client = Registry(counting_runner, storage, {}, first_wait_s=0.01)
    with pytest.raises(ImageError, match=r"failed to publish .*503"):
        await client.push(new_layout, Reference.parse(f"{fault_proxy.address}/broken:v1"))

    assert counting_runner.started == 12


@pytest.mark.parametrize("status", [403, 404])
async def test_a_refusal_is_not_tried_again(storage, counting_runner, fault_proxy, new_layout, status):
    """403 and 404 are answers."""
    fault_proxy.faults = [("PUT", status)] * 50
    client = Registry(counting_runner, storage, {}, first_wait_s=5)
    with pytest.raises(ImageError, match="failed to publish"):
        await client.push(new_layout, Reference.parse(f"{fault_proxy.address}/refused:v1"))

    assert counting_runner.started == 1


@pytest.fixture
def dialled(monkeypatch) -> list[tuple[str, int]]:
    """Give the connections to registries that were tried."""
    tried: list[tuple[str, int]] = []
    connects = registry._connects  # noqa: SLF001 - what is counted

    async def counted(host: str, port: int) -> bool:
        tried.append((host, port))
        return await connects(host, port)

    monkeypatch.setattr(registry, "_connects", counted)
    return tried


async def test_a_registry_that_does_not_exist_is_named_at_once(storage, dialled):
    """No such host is an error, and asked for once per session."""
    runner = RecordingRunner()
    client = Registry(runner, storage, {})
    for name in ("a", "b"):
        with pytest.raises(NoAnswerError, match=r"registry no-such-host\.invalid:443 does not answer"):
            await client.pull(Reference.parse(f"no-such-host.invalid/{name}"), AMD64)

    assert dialled == [("no-such-host.invalid", 443)]
    assert (runner.calls, list(client.silent)) == ([], ["no-such-host.invalid:443"])


async def test_a_registry_that_is_silent_is_given_five_seconds_once(storage, monkeypatch, dialled):
    """A connection that is never accepted is bounded, and not tried again."""
    monkeypatch.setattr("wheelhouse_engine.registry.CONNECT_TIMEOUT_S", 0.3)
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        waiting = [socket.socket() for _ in range(3)]
        for full in waiting:  # fill the queue, so that the next connection hangs
            full.setblocking(False)
            full.connect_ex(deaf.getsockname())
        client = Registry(RecordingRunner(), storage, {})
        reference = Reference.parse(f"127.0.0.1:{deaf.getsockname()[1]}/a")
        for _ in range(2):
            with pytest.raises(NoAnswerError, match="does not answer"):
                await client.pull(reference, AMD64)
        for full in waiting:
            full.close()

    assert len(dialled) == 1
