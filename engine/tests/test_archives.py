"""Spec of read images: what survives, and what is refused."""

import hashlib
import io
import json
import os
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from wheelhouse_engine.archives import config_of, read_image
from wheelhouse_engine.imageconfig import ImageConfig, ImageError
from wheelhouse_engine.layers import Compression, LayerCache
from wheelhouse_engine.oci import Form, Image, MediaTypes, layout_of
from wheelhouse_engine.runner import ProcessRunner, checked

pytestmark = pytest.mark.integration

CONFIG = ImageConfig(env=("Q=7",), healthcheck={"Test": ["CMD", "true"]}, annotations={"an": "no"})
RUNNER = ProcessRunner()


@pytest.fixture
async def layout(storage, make_image, tmp_path):
    """Give a layout with a marker in its upper layer."""
    image = Image(config=CONFIG, image_id=make_image({"base": b"b"}, {"marker": b"here"}))
    return await layout_of(LayerCache(tmp_path / "cache", RUNNER, storage), [image], Form(tag="v1"))


@pytest.fixture
def folder(layout, tmp_path) -> Path:
    """Give the layout as a folder of its own files."""
    target: Path = tmp_path / "folder"
    layout.write_directory(target)
    return target


def pack(folder: Path, archive: Path) -> Path:
    """Pack a folder as a tar."""
    with tarfile.open(archive, "w") as tar:
        tar.add(folder, ".")
    return archive


def content(storage, image_id: str, name: str) -> bytes:
    """Read a file of an image through a working container."""

    def run(*words: str) -> str:
        command = ["buildah", *storage.options, *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    working = run("from", image_id)
    found = (Path(run("mount", working)) / name).read_bytes()
    run("rm", working)
    return found


def replace_blob(folder: Path, digest: str, new: bytes) -> None:
    """Change a blob without changing its name."""
    path = folder / "blobs" / digest.replace(":", "/")
    path.unlink()  # it may be a hard link into the cache
    path.write_bytes(new)


def manifest_of(folder: Path) -> tuple[str, dict[str, Any]]:
    """Return digest and document of the only image."""
    digest = json.loads((folder / "index.json").read_bytes())["manifests"][0]["digest"]
    return digest, json.loads((folder / "blobs" / digest.replace(":", "/")).read_bytes())


@pytest.mark.parametrize("compression", list(Compression))
@pytest.mark.parametrize("media_types", list(MediaTypes))
async def test_an_exported_image_can_be_imported(storage, make_image, tmp_path, compression, media_types):
    """Files, configuration and healthcheck survive an export and an import."""
    if (compression, media_types) == (Compression.ZSTD, MediaTypes.DOCKER):
        pytest.skip("Docker has no media type for zstd")
    image = Image(config=CONFIG, image_id=make_image({"marker": b"here"}))
    cache = LayerCache(tmp_path / "cache", RUNNER, storage)
    written = await layout_of(cache, [image], Form(compression, media_types))
    written.write_archive(tmp_path / "i.tar")
    loaded = await read_image(RUNNER, storage, tmp_path / "i.tar")

    assert (loaded.config, loaded.digest) == (CONFIG, written.digest)
    assert content(storage, loaded.image_id, "marker") == b"here"


async def test_a_folder_is_read_like_an_archive(storage, folder):
    """An OCI layout need not be packed."""
    loaded = await read_image(RUNNER, storage, folder)

    assert loaded.config == CONFIG
    assert (await config_of(RUNNER, storage, loaded.image_id))[1].healthcheck == CONFIG.healthcheck


async def test_a_compressed_archive_is_read(storage, layout, tmp_path):
    """A gzipped tar of a layout is an archive too."""
    layout.write_archive(tmp_path / "i.tar")
    subprocess.run(["gzip", tmp_path / "i.tar"], check=True)  # noqa: ASYNC221

    assert (await read_image(RUNNER, storage, tmp_path / "i.tar.gz")).config == CONFIG


async def test_a_docker_archive_is_read(storage, make_image, tmp_path):
    """What `docker save` writes is loaded, by its tag when it has several."""
    image = make_image({"marker": b"docker"})
    target = f"docker-archive:{tmp_path}/d.tar:local/name:v1"
    await checked(RUNNER, ["skopeo", "copy", "--insecure-policy", storage.reference(image), target])
    loaded = await read_image(RUNNER, storage, tmp_path / "d.tar", tag="local/name:v1")

    assert content(storage, loaded.image_id, "marker") == b"docker"


async def test_a_docker_archive_whose_link_leaves_it_is_refused(storage, tmp_path):
    """The links that `docker save` makes stay inside of the archive."""
    with tarfile.open(tmp_path / "d.tar", "w") as tar:
        member = tarfile.TarInfo("a/layer.tar")
        member.type, member.linkname = tarfile.SYMTYPE, "../../../etc/shadow"
        tar.addfile(member)
    with pytest.raises(ImageError, match="would leave the folder"):
        await read_image(RUNNER, storage, tmp_path / "d.tar")


async def test_an_unknown_tag_lists_the_tags(storage, folder):
    """A tag that is not there is an error with those that are."""
    with pytest.raises(ImageError, match="no image tagged 'v2' in the archive; it has v1"):
        await read_image(RUNNER, storage, folder, tag="v2")


async def test_another_platform_lists_the_platforms(storage, folder):
    """A platform that is not there is an error with those that are."""
    with pytest.raises(ImageError, match=r"no image for platform linux/arm64 .* it has linux/amd64"):
        await read_image(RUNNER, storage, folder, platform="linux/arm64")


async def test_the_platform_is_picked_from_an_index(storage, make_image, tmp_path):
    """Of an archive of two platforms the asked one is loaded."""
    cache = LayerCache(tmp_path / "cache", RUNNER, storage)
    amd = Image(config=ImageConfig(env=("P=amd",)), image_id=make_image({"p": b"amd"}))
    arm = Image(config=ImageConfig(env=("P=arm",), architecture="arm64"), image_id=make_image({"p": b"arm"}))
    (await layout_of(cache, [amd, arm], Form())).write_archive(tmp_path / "i.tar")
    loaded = await read_image(RUNNER, storage, tmp_path / "i.tar", platform="linux/arm64")

    assert (loaded.config.env, content(storage, loaded.image_id, "p")) == (("P=arm",), b"arm")


@pytest.mark.parametrize("name", ["../evil", "/tmp/evil-of-a-test", "blobs/../../evil"])
async def test_a_name_that_leaves_the_folder_is_refused(storage, tmp_path, name):
    """Nothing is written outside, and the member is named."""
    with tarfile.open(tmp_path / "i.tar", "w") as tar:
        member = tarfile.TarInfo(name)
        member.size = 4
        tar.addfile(member, io.BytesIO(b"evil"))
    with pytest.raises(ImageError, match=f"'{name}' would leave the folder"):
        await read_image(RUNNER, storage, tmp_path / "i.tar")

    assert not list(tmp_path.parent.rglob("evil")) + list(Path("/tmp").glob("evil-of-a-test"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
async def test_links_and_devices_are_refused(storage, tmp_path, kind):
    """An image archive has files and folders only."""
    with tarfile.open(tmp_path / "i.tar", "w") as tar:
        member = tarfile.TarInfo("index.json")
        member.type, member.linkname = kind, "/etc/passwd"
        tar.addfile(member)
    with pytest.raises(ImageError, match="is a link or a device"):
        await read_image(RUNNER, storage, tmp_path / "i.tar")


async def test_a_manifest_that_does_not_match_its_digest_is_refused(storage, folder, tmp_path):
    """A changed manifest is found before it is believed."""
    digest, manifest = manifest_of(folder)
    replace_blob(folder, digest, json.dumps({**manifest, "annotations": {"changed": "yes"}}).encode())
    with pytest.raises(ImageError, match=f"blob {digest} does not match its digest"):
        await read_image(RUNNER, storage, pack(folder, tmp_path / "i.tar"))


async def test_a_configuration_that_does_not_match_its_digest_is_refused(storage, folder, tmp_path):
    """A changed configuration is found before it is believed."""
    _, manifest = manifest_of(folder)
    replace_blob(folder, manifest["config"]["digest"], b'{"config":{"User":"root"}}')
    with pytest.raises(ImageError, match="does not match its digest"):
        await read_image(RUNNER, storage, pack(folder, tmp_path / "i.tar"))


async def test_a_layer_that_does_not_match_its_digest_is_refused(storage, make_image, tmp_path):
    """A changed layer never gets into storage."""
    # skopeo remembers layers that it has seen and does not read them again: this one is new
    image, folder = make_image({"new": os.urandom(32)}), tmp_path / "folder"
    cache = LayerCache(tmp_path / "cache", RUNNER, storage)
    (await layout_of(cache, [Image(config=CONFIG, image_id=image)], Form())).write_directory(folder)
    _, manifest = manifest_of(folder)
    layer = manifest["layers"][0]["digest"]
    original = (folder / "blobs" / layer.replace(":", "/")).read_bytes()
    replace_blob(folder, layer, original[:-1] + b"x")
    image_id = manifest["config"]["digest"].removeprefix("sha256:")
    with pytest.raises(ImageError, match="the image cannot be stored: "):
        await read_image(RUNNER, storage, pack(folder, tmp_path / "i.tar"))

    done = await RUNNER.run(["buildah", *storage.options, "inspect", "--type", "image", image_id])
    assert done.returncode != 0


async def test_a_missing_layer_is_named(storage, folder, tmp_path):
    """A layer that is not in the archive is named by its digest."""
    _, manifest = manifest_of(folder)
    layer = manifest["layers"][0]["digest"]
    (folder / "blobs" / layer.replace(":", "/")).unlink()
    with pytest.raises(ImageError, match=f"blob {layer} is not in the archive"):
        await read_image(RUNNER, storage, pack(folder, tmp_path / "i.tar"))


@pytest.mark.parametrize(
    "digest", ["sha256:../../../etc/passwd", f"sha256:{'../' * 21}a", "md5:abc", f"sha256:{'a' * 65}", ""]
)
async def test_a_digest_is_never_a_path(storage, folder, digest):
    """A digest that is none is refused before a file is opened."""
    (folder / "index.json").write_text(json.dumps({"manifests": [{"digest": digest}]}))
    with pytest.raises(ImageError, match="expected sha256 and 64 hexadecimal digits"):
        await read_image(RUNNER, storage, folder)


async def test_a_layer_digest_is_never_a_path(storage, folder):
    """A manifest that points outside of the layout is refused."""
    _, manifest = manifest_of(folder)
    manifest["layers"][0]["digest"] = "sha256:../../../../../../etc/passwd"
    raw = json.dumps(manifest).encode()
    digest = f"sha256:{hashlib.sha256(raw).hexdigest()}"
    (folder / "blobs" / digest.replace(":", "/")).write_bytes(raw)
    (folder / "index.json").write_text(json.dumps({"manifests": [{"digest": digest}]}))
    with pytest.raises(ImageError, match="etc/passwd"):
        await read_image(RUNNER, storage, folder)


@pytest.mark.parametrize("index", ["not json", "[]", "{}", '{"manifests": 3}', '{"manifests": [{}]}'])
async def test_a_malformed_index_is_one_clear_error(storage, folder, index):
    """Whatever the index holds, the error names the archive."""
    (folder / "index.json").write_text(index)
    with pytest.raises(ImageError, match="malformed image archive"):
        await read_image(RUNNER, storage, folder)


@pytest.mark.parametrize("content", [b"", b"no tar at all", b"\0" * 10240])
async def test_a_file_that_is_no_image_is_refused(storage, tmp_path, content):
    """A file that is no archive, or an empty one, is refused."""
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(ImageError, match=r"not a whole tar archive|found neither"):
        await read_image(RUNNER, storage, tmp_path / "x")


async def test_a_truncated_archive_is_refused(storage, layout, tmp_path):
    """An archive cut short is refused and leaves nothing behind."""
    layout.write_archive(tmp_path / "i.tar")
    whole = (tmp_path / "i.tar").read_bytes()
    (tmp_path / "i.tar").write_bytes(whole[: len(whole) // 4])
    with pytest.raises(ImageError):
        await read_image(RUNNER, storage, tmp_path / "i.tar")

    assert not list(storage.root.parent.glob(".tmp-*"))
