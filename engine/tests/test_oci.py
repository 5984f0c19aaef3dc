"""Spec of written images, with the reference engine's answers as the measure."""

import json
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from wheelhouse_engine.imageconfig import ExposedPort, ImageConfig, ImageError
from wheelhouse_engine.layers import Compression, LayerCache
from wheelhouse_engine.oci import Form, Image, Layout, MediaTypes, layout_of
from wheelhouse_engine.runner import ProcessRunner, checked

HEALTH = {"Test": ["CMD", "python3", "-V"], "Interval": 10_000_000_000}
CONFIG = ImageConfig(
    env=("A=1",),
    user="1001:1001",
    workdir="/srv",
    entrypoint=("/e",),
    cmd=("d",),
    labels={"l": "v"},
    exposed_ports=(ExposedPort(8000),),
    healthcheck=HEALTH,
    annotations={"an": "no"},
)
Write = Callable[..., Any]


@pytest.fixture
def cache(storage, tmp_path) -> LayerCache:
    """Give an empty layer cache."""
    return LayerCache(tmp_path / "cache", ProcessRunner(), storage)


@pytest.fixture
def image(make_image) -> Image:
    """Give an image of two layers."""
    return Image(config=CONFIG, image_id=make_image({"base": b"b"}, {"app": b"a"}))


def read(archive: Path) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Return index, manifest and configuration of an archive."""
    with tarfile.open(archive) as tar:

        def load(name: str) -> dict[str, Any]:
            file = tar.extractfile(name)
            assert file is not None
            document: dict[str, Any] = json.loads(file.read())
            return document

        index = load("index.json")
        manifest = load("blobs/" + index["manifests"][0]["digest"].replace(":", "/"))
        while "layers" not in manifest:
            manifest = load("blobs/" + manifest["manifests"][0]["digest"].replace(":", "/"))
        return index, manifest, load("blobs/" + manifest["config"]["digest"].replace(":", "/"))


async def test_an_export_says_what_the_reference_engine_says(cache, image, tmp_path):
    """Configuration, annotations and media types equal golden `export_image_config`."""
    (await layout_of(cache, [image], Form())).write_archive(tmp_path / "i.tar")
    _, manifest, document = read(tmp_path / "i.tar")
    config = document["config"]

    assert {
        "media": manifest["mediaType"],
        "env": config["Env"],
        "label": config["Labels"]["l"],
        "user": config["User"],
        "wd": config["WorkingDir"],
        "entry": config["Entrypoint"],
        "cmd": config["Cmd"],
        "ports": list(config["ExposedPorts"]),
        "health": config["Healthcheck"],
        "annotations": manifest["annotations"],
        "layer_media": sorted({layer["mediaType"] for layer in manifest["layers"]}),
        "config_media": manifest["config"]["mediaType"],
    } == {
        "media": "application/vnd.oci.image.manifest.v1+json",
        "env": ["A=1"],
        "label": "v",
        "user": "1001:1001",
        "wd": "/srv",
        "entry": ["/e"],
        "cmd": ["d"],
        "ports": ["8000/tcp"],
        "health": HEALTH,
        "annotations": {"an": "no"},
        "layer_media": ["application/vnd.oci.image.layer.v1.tar+gzip"],
        "config_media": "application/vnd.oci.image.config.v1+json",
    }


async def test_docker_media_types_keep_the_healthcheck(cache, image, tmp_path):
    """Docker manifests have Docker types throughout, and the healthcheck."""
    form = Form(media_types=MediaTypes.DOCKER)
    (await layout_of(cache, [image], form)).write_archive(tmp_path / "i.tar")
    _, manifest, document = read(tmp_path / "i.tar")

    assert manifest["mediaType"] == "application/vnd.docker.distribution.manifest.v2+json"
    assert manifest["config"]["mediaType"] == "application/vnd.docker.container.image.v1+json"
    assert {layer["mediaType"] for layer in manifest["layers"]} == {
        "application/vnd.docker.image.rootfs.diff.tar.gzip"
    }
    assert document["config"]["Healthcheck"] == HEALTH


@pytest.mark.parametrize(
    ("compression", "suffix"),
    [(Compression.ZSTD, "+zstd"), (Compression.GZIP, "+gzip"), (Compression.UNCOMPRESSED, "")],
)
async def test_forced_compression_is_in_the_media_type(cache, image, tmp_path, compression, suffix):
    """Each compression has its OCI media type."""
    (await layout_of(cache, [image], Form(compression))).write_archive(tmp_path / "i.tar")
    _, manifest, _ = read(tmp_path / "i.tar")

    assert {layer["mediaType"] for layer in manifest["layers"]} == {
        f"application/vnd.oci.image.layer.v1.tar{suffix}"
    }


async def test_zstd_with_docker_types_is_refused(cache, image):
    """Docker has no media type for zstd, and none is invented."""
    with pytest.raises(ImageError, match=r"Docker has no media type for it. Use OCIMediaTypes or Gzip"):
        await layout_of(cache, [image], Form(Compression.ZSTD, MediaTypes.DOCKER))


async def test_another_reader_finds_the_same_digest(cache, image, tmp_path):
    """Skopeo reads the archive and computes the digest that was announced."""
    layout = await layout_of(cache, [image], Form())
    layout.write_archive(tmp_path / "i.tar")
    seen = await checked(ProcessRunner(), ["skopeo", "inspect", f"oci-archive:{tmp_path}/i.tar"])

    assert json.loads(seen.stdout)["Digest"] == layout.digest


async def test_the_same_image_gives_the_same_archive(storage, image, tmp_path):
    """Two archives from two caches are equal byte for byte."""
    for name in ("a", "b"):
        cache = LayerCache(tmp_path / name, ProcessRunner(), storage)
        (await layout_of(cache, [image], Form(tag="t"))).write_archive(tmp_path / f"{name}.tar")

    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()


async def test_every_input_is_in_the_digest(cache, image):
    """Configuration, time and history change the digest; nothing else does."""
    variants = [
        image,
        replace(image, created="2026-01-01T00:00:00Z"),
        replace(image, history=("RUN x",)),
        replace(image, config=replace(CONFIG, user="0")),
        replace(image, config=replace(CONFIG, annotations={})),
    ]
    digests = [(await layout_of(cache, [variant], Form())).digest for variant in variants]

    assert len(set(digests)) == len(variants)
    assert (await layout_of(cache, [image], Form(tag="named"))).digest == digests[0]


async def test_history_has_one_entry_per_layer(cache, image, tmp_path):
    """Layers without a known history are called "base"."""
    (await layout_of(cache, [replace(image, history=("withFile",))], Form())).write_archive(
        tmp_path / "i.tar"
    )
    _, _, document = read(tmp_path / "i.tar")

    assert [entry["created_by"] for entry in document["history"]] == ["base", "withFile"]


async def test_more_history_than_layers_is_refused(cache, image):
    """History that belongs to no layer is an error of the caller."""
    with pytest.raises(ImageError, match="3 entries for 2 layers"):
        await layout_of(cache, [replace(image, history=("a", "b", "c"))], Form())


async def test_a_tag_is_the_name_in_the_index(cache, image, tmp_path):
    """The tag is where readers of OCI layouts look for it, and only when given."""
    (await layout_of(cache, [image], Form(tag="v1"))).write_archive(tmp_path / "tagged.tar")
    (await layout_of(cache, [image], Form())).write_archive(tmp_path / "plain.tar")

    tagged, plain = read(tmp_path / "tagged.tar")[0], read(tmp_path / "plain.tar")[0]
    assert tagged["manifests"][0]["annotations"] == {"org.opencontainers.image.ref.name": "v1"}
    assert "annotations" not in plain["manifests"][0]


async def test_several_platforms_share_one_index(cache, image, tmp_path):
    """Variants of different platforms become one index that lists both."""
    arm = replace(image, config=replace(CONFIG, architecture="arm64", variant="v8"))
    layout = await layout_of(cache, [image, arm], Form())
    layout.write_archive(tmp_path / "i.tar")
    raw = (
        await checked(ProcessRunner(), ["skopeo", "inspect", "--raw", f"oci-archive:{tmp_path}/i.tar"])
    ).stdout

    assert [entry["platform"] for entry in json.loads(raw)["manifests"]] == [
        {"architecture": "amd64", "os": "linux"},
        {"architecture": "arm64", "os": "linux", "variant": "v8"},
    ]


async def test_two_images_of_one_platform_are_refused(cache, image):
    """A duplicate platform is refused in the words of the reference engine."""
    with pytest.raises(ImageError, match=r'^duplicate platform "linux/amd64"$'):
        await layout_of(cache, [image, image], Form())


async def test_nothing_to_write_is_refused(cache):
    """An archive has at least one image."""
    with pytest.raises(ImageError, match="no image to write"):
        await layout_of(cache, [], Form())


async def test_an_empty_container_is_an_image_without_layers(cache, tmp_path):
    """A container without a file system can be exported."""
    (await layout_of(cache, [Image(config=CONFIG)], Form())).write_archive(tmp_path / "i.tar")

    assert read(tmp_path / "i.tar")[2]["rootfs"] == {"type": "layers", "diff_ids": []}


async def test_an_archive_is_sorted_and_has_no_clock(cache, image, tmp_path):
    """Tar entries are sorted and owned by nobody in particular at time 0."""
    (await layout_of(cache, [image], Form())).write_archive(tmp_path / "i.tar")
    with tarfile.open(tmp_path / "i.tar") as tar:
        members = tar.getmembers()

    assert [member.name for member in members] == sorted(member.name for member in members)
    assert {(member.mtime, member.uid, member.gid, member.uname) for member in members} == {(0, 0, 0, "")}


def test_an_archive_is_written_whole_or_not_at_all(tmp_path):
    """A blob that vanished leaves the old archive and no draft."""
    target = tmp_path / "i.tar"
    target.write_text("old")
    layout = Layout({"digest": "sha256:x"}, {"sha256:x": tmp_path / "vanished"})
    with pytest.raises(FileNotFoundError):
        layout.write_archive(target)

    assert [(entry.name, entry.read_text()) for entry in tmp_path.iterdir()] == [("i.tar", "old")]
