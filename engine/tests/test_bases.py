"""Spec of base images: store first, then registry, then a stand-in."""

import asyncio
import io
import json
import os
import subprocess
import sys
import tarfile

import pytest

from ports import SILENT
from wheelhouse_engine.bases import BaseImages, host_platform, locked
from wheelhouse_engine.imageconfig import ImageConfig, ImageError
from wheelhouse_engine.layers import LayerCache
from wheelhouse_engine.oci import Form, Image, layout_of
from wheelhouse_engine.references import Reference
from wheelhouse_engine.registry import Registry
from wheelhouse_engine.runner import Completed, ProcessRunner

pytestmark = pytest.mark.integration

STATUS = "Package: python3.13\nVersion: 3.13.5-2\n\n"


class DebianRunner(ProcessRunner):
    """Run real processes, and a quick fake in place of mmdebstrap."""

    def __init__(self) -> None:
        super().__init__()
        object.__setattr__(self, "programs", [])

    programs: list[str]

    async def run(self, argv, **options) -> Completed:
        """Count; write a small root in place of mmdebstrap."""
        self.programs.append(argv[0])
        if argv[0] != "mmdebstrap":
            return await super().run(argv, **options)
        await asyncio.sleep(0.1)  # long enough for others to come in between
        with tarfile.open(argv[-1], "w") as tar:
            for name, content in (("./var/lib/dpkg/status", STATUS), ("./etc/os-release", argv[-2])):
                member = tarfile.TarInfo(name)
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content.encode()))
        return Completed(0)


@pytest.fixture
def runner() -> DebianRunner:
    """Give a runner that makes tiny roots."""
    return DebianRunner()


@pytest.fixture
def bases(runner, storage, tmp_path):
    """Return a function that opens a session on one shared folder."""

    def session(**options) -> BaseImages:
        registry = Registry(runner, storage, options.pop("endpoints", SILENT), first_wait_s=0.01)
        return BaseImages(runner, storage, registry, tmp_path / "bases", **options)

    return session


async def test_a_stand_in_is_made_once_and_remembered(bases, runner):
    """A second session finds the image without making it, and without the network."""
    made = await bases().resolve("python:3.13-slim")
    again = await bases().resolve("docker.io/library/python:3.13-slim")

    assert made == again
    assert (made.origin, runner.programs.count("mmdebstrap")) == ("stand-in", 1)


async def test_in_one_session_a_known_address_costs_no_process(bases, runner):
    """What was resolved once is answered from memory."""
    session = bases()
    await session.resolve("python:3.13-slim")
    before = len(runner.programs)
    await session.resolve("python:3.13-slim")

    assert len(runner.programs) == before


async def test_names_of_one_content_share_one_stand_in(bases, runner):
    """Other addresses of the same image are not made again."""
    images = [
        await bases().resolve(address)
        for address in ("python:3.13-slim", "python:3.13-slim-trixie", "python:3.13.5-slim")
    ]

    assert len({image.image_id for image in images}) == 1
    assert runner.programs.count("mmdebstrap") == 1


async def test_two_at_once_make_it_once(bases, runner):
    """Sessions that want the same image at the same time wait for one of them."""
    images = await asyncio.gather(*(bases().resolve("python:3.13-slim") for _ in range(4)))

    assert all(image == images[0] for image in images)
    assert runner.programs.count("mmdebstrap") == 1


async def test_a_stand_in_is_said_loudly_and_once(bases):
    """Every session that uses a stand-in says so in one line."""
    for _ in range(2):
        warnings: list[str] = []
        session = bases(warn=warnings.append)
        await session.resolve("python:3.13-slim")
        await session.resolve("python:3.13-slim")

        (line,) = warnings
        assert line.startswith("NOT THE OFFICIAL IMAGE: docker.io/library/python:3.13-slim is a stand-in")
        assert "Debian trixie packages, because no registry answers" in line


async def test_a_stand_in_is_an_image_with_its_labels(bases, storage):
    """Labels are in the stored configuration, so what is built on it keeps them."""
    image = await bases().resolve("python:3.13-slim")
    command = ["buildah", *storage.options, "inspect", "--type", "image", image.image_id]
    seen = json.loads((await ProcessRunner().run(command)).stdout)["OCIv1"]["config"]

    assert seen["Labels"]["io.wheelhouse.base"] == "stand-in"
    assert "PYTHON_VERSION=3.13.5" in seen["Env"]
    assert seen["Labels"] == dict(image.config.labels)


async def test_the_same_packages_give_the_same_image(bases, tmp_path):
    """Made twice from nothing, a stand-in has the same id and digest."""
    first = await bases().resolve("python:3.13-slim")
    for record in (tmp_path / "bases").glob("bases.json"):
        record.unlink()

    assert await bases().resolve("python:3.13-slim") == first


async def test_an_image_that_left_the_storage_is_made_again(bases, storage, runner):
    """A record without its image is no image."""
    image = await bases().resolve("python:3.13-slim")
    subprocess.run(["buildah", *storage.options, "rmi", "--force", image.image_id], check=True)  # noqa: ASYNC221

    assert await bases().resolve("python:3.13-slim") == image
    assert runner.programs.count("mmdebstrap") == 2


async def test_a_forgotten_address_is_asked_for_anew(bases):
    """Forgetting removes the record; the image is found by its content again."""
    session = bases()
    await session.resolve("python:3.13-slim")
    await session.forget("python:3.13-slim")

    assert f"docker.io/library/python:3.13-slim {host_platform()}" not in session.records()


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"images": 3}', '{"images": {"x": 1}}'])
async def test_a_damaged_index_is_the_same_as_none(bases, tmp_path, damage):
    """An index cut short by a crash costs a new search."""
    first = await bases().resolve("python:3.13-slim")
    (tmp_path / "bases" / "bases.json").write_text(damage)

    assert await bases().resolve("python:3.13-slim") == first


async def test_a_registry_comes_before_a_stand_in(bases, runner, make_image, registry, tmp_path):
    """Where a mirror has the image, it is the image."""
    config = ImageConfig(env=("OFFICIAL=1",), healthcheck={"Test": ["CMD", "true"]})
    image = Image(config=config, image_id=make_image({"official": os.urandom(8)}))
    warnings: list[str] = []
    session = bases(endpoints={"docker.io": registry}, warn=warnings.append)
    layout = await layout_of(LayerCache(tmp_path / "cache", runner, session.storage), [image], Form())
    await session.registry.push(layout, Reference.parse("python:3.13-slim"))
    found = await session.resolve("python:3.13-slim")

    assert (found.origin, found.config, found.digest) == ("registry", config, layout.digest)
    assert (warnings, "mmdebstrap" in runner.programs) == ([], False)


async def test_a_mirror_comes_before_a_remembered_stand_in(bases, make_image, registry, tmp_path):
    """A mirror that answers now gives the image, although an earlier session built a stand-in."""
    stand_in = await bases().resolve("python:3.13-slim")
    config = ImageConfig(env=("OFFICIAL=1",))
    image = Image(config=config, image_id=make_image({"official": os.urandom(8)}))
    session = bases(endpoints={"docker.io": registry})
    layout = await layout_of(LayerCache(tmp_path / "cache", session.runner, session.storage), [image], Form())
    await session.registry.push(layout, Reference.parse("python:3.13-slim"))
    found = await session.resolve("python:3.13-slim")

    assert (stand_in.origin, found.origin, found.digest) == ("stand-in", "registry", layout.digest)


async def test_an_image_that_the_registry_does_not_have_gets_no_stand_in(bases, runner, registry):
    """A registry that answers "not found" is believed."""
    with pytest.raises(ImageError, match=r"docker.io/library/python:3.11-slim: not found"):
        await bases(endpoints={"docker.io": registry}).resolve("python:3.11-slim")

    assert "mmdebstrap" not in runner.programs


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        (
            "python:3.12-slim",
            "no stand-in can be made for docker.io/library/python:3.12-slim; there are python:3.13",
        ),
        ("python:3.13.4-slim", "no stand-in can be made for Python 3.13.4: Debian trixie has 3.13.5"),
        (f"python@sha256:{'a' * 64}", "pinned to a digest"),
    ],
)
async def test_without_a_registry_the_error_says_both_reasons(bases, address, reason):
    """The silent registry and the missing stand-in are one message."""
    with pytest.raises(ImageError) as caught:
        await bases().resolve(address)

    assert "registry 127.0.0.1:1 does not answer" in str(caught.value)
    assert reason in str(caught.value)


async def test_another_machine_cannot_be_stood_in_for(bases):
    """A stand-in has the architecture of this machine."""
    with pytest.raises(ImageError, match="no stand-in can be made for linux/s390x: this machine is linux/"):
        await bases().resolve("python:3.13-slim", "linux/s390x")


async def test_a_malformed_address_starts_nothing(bases, runner):
    """An address that is none is refused before anything runs."""
    with pytest.raises(ImageError, match="must be lowercase"):
        await bases().resolve("UPPER CASE!")

    assert runner.programs == []


async def test_a_lock_dies_with_its_process(tmp_path):
    """A killed process leaves no lock behind, a living one keeps others out."""
    script = (
        "import fcntl, sys, time; f = open(sys.argv[1], 'w'); fcntl.flock(f, fcntl.LOCK_EX); "
        "print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen(  # noqa: ASYNC220
        [sys.executable, "-c", script, str(tmp_path / "l")], stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3), locked(tmp_path / "l"):
            pass
    holder.kill()
    holder.wait()
    holder.stdout.close()
    async with asyncio.timeout(60), locked(tmp_path / "l"):
        pass
