"""Spec of passwords: who gets them, and who never sees them."""

import asyncio
import base64
import json
from pathlib import Path

import pytest

from wheelhouse_engine.credentials import Credentials, auth_file
from wheelhouse_engine.imageconfig import ImageConfig, ImageError
from wheelhouse_engine.references import Reference
from wheelhouse_engine.registry import NoAnswerError, Registry
from wheelhouse_engine.runner import ProcessRunner

pytestmark = pytest.mark.integration

RUNNER = ProcessRunner()
CONFIG = ImageConfig(env=("Q=7",), healthcheck={"Test": ["CMD", "true"]}, annotations={"an": "no"})
AMD64 = "linux/amd64"


async def test_credentials_open_a_private_registry(registry_client, start_registry, credentials, new_layout):
    """The right password pushes and pulls."""
    private = start_registry(private=True)
    reference = Reference.parse(f"{private}/app:v1")
    await registry_client.push(new_layout, reference, credentials)

    assert (await registry_client.pull(reference, AMD64, credentials)).digest == new_layout.digest


@pytest.mark.parametrize(
    "given", [None, Credentials("ci", "wrong"), Credentials("other", "canary-7c1f-pass")]
)
async def test_wrong_credentials_are_refused_at_once(
    storage, counting_runner, start_registry, new_layout, given
):
    """A registry that refuses is asked once and says so, without the password."""
    private = start_registry(private=True)
    client = Registry(counting_runner, storage, {}, first_wait_s=5)
    with pytest.raises(ImageError, match=r"failed to publish .* the registry refuses access: .*") as caught:
        await client.push(new_layout, Reference.parse(f"{private}/app:v1"), given)

    assert (counting_runner.started, isinstance(caught.value, NoAnswerError)) == (1, False)
    assert given is None or given.password not in str(caught.value)


async def test_a_password_is_never_in_an_argument_list(
    registry_client, start_registry, credentials, new_layout
):
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
    await registry_client.push(new_layout, Reference.parse(f"{private}/watched:v1"), credentials)
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


async def test_a_password_for_docker_hub_does_not_go_to_a_mirror(
    storage, start_registry, credentials, new_layout
):
    """Credentials are for the registry that they were given for."""
    private = start_registry(private=True)
    await Registry(RUNNER, storage, {}).push(
        new_layout, Reference.parse(f"{private}/library/a:v1"), credentials
    )
    mirrored = Registry(RUNNER, storage, {"docker.io": private})

    with pytest.raises(ImageError, match="refuses access"):
        await mirrored.pull(Reference.parse("docker.io/library/a:v1"), AMD64, credentials)
