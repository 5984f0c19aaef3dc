"""The same content gives the same digest, whoever exported it and when."""

import gzip
import json
import os
import subprocess
import threading
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from oci import compression
from oci.compression import Compression, unpacked
from oci.content import Layout, digest_of
from oci.errors import CorruptError, RegistryError
from oci.normalise import Form, joined, normalise, rewritten_config

CREATED = 1_700_000_000
TIME = "2023-11-14T22:13:20Z"
Archive = Callable[..., Path]


def config_of(layout: Layout) -> Any:
    """Return the configuration of a layout's image."""
    return json.loads(layout.path(layout.root().document["config"]["digest"]).read_bytes())


def normalised(archive: Path, out: Path, compression: Compression = Compression.GZIP) -> Layout:
    """Rewrite an archive and return its layout."""
    normalise(archive, out, Form(CREATED, compression))
    return Layout(out)


@pytest.mark.parametrize("compression", list(Compression))
def test_two_exports_of_one_image_get_one_digest(
    make_archive: Archive, tmp_path: Path, compression: Compression
) -> None:
    """Exports that differ in clock, history and packing give the same bytes, in either packing."""
    pytest.importorskip("zstandard")
    first = make_archive(b"a", b"b", created="2026-01-01T00:00:00Z")
    second = make_archive(b"a", b"b", created="2031-12-31T23:59:59.123Z", pack=True)
    assert first.read_bytes() != second.read_bytes()
    one = normalised(first, tmp_path / "1", compression)
    two = normalised(second, tmp_path / "2", compression)
    assert one.root().digest == two.root().digest


def test_times_are_the_commits(make_archive: Archive, tmp_path: Path) -> None:
    """`created` and every history entry carry the commit's time, one entry for each layer."""
    config = config_of(normalised(make_archive(b"a", b"b"), tmp_path / "out"))
    assert config["created"] == TIME
    assert config["history"] == [{"created": TIME, "created_by": "wheelhouse"}] * 2


def test_healthcheck_and_command_are_kept(make_archive: Archive, tmp_path: Path) -> None:
    """What the image does is unchanged: HEALTHCHECK too, which OCI's fields do not have."""
    archive = make_archive(b"a", Env=["A=1"], User="1001:1001", StopSignal="SIGTERM")
    run = config_of(normalised(archive, tmp_path / "out"))["config"]
    assert run == {
        "Cmd": ["python"],
        "Env": ["A=1"],
        "Healthcheck": {"Test": ["CMD", "python", "-c", "pass"], "Interval": 10_000_000_000},
        "StopSignal": "SIGTERM",
        "User": "1001:1001",
    }


def test_labels_are_added() -> None:
    """Labels of the publish join those of the image."""
    config = {"rootfs": {"diff_ids": []}, "config": {"Labels": {"a": "1"}}}
    made = rewritten_config(config, Form(CREATED, labels={"b": "2"}))
    assert made["config"]["Labels"] == {"a": "1", "b": "2"}


@pytest.mark.parametrize("compression", list(Compression))
def test_layers_keep_what_they_hold(make_archive: Archive, tmp_path: Path, compression: Compression) -> None:
    """Either packing is named in the media type and unpacks to the diff_id; skopeo takes the layout."""
    pytest.importorskip("zstandard")
    layout = normalised(make_archive(b"a" * 5000, b"b"), tmp_path / "out", compression)
    layers = layout.root().document["layers"]
    assert {layer["mediaType"].rpartition("+")[2] for layer in layers} == {compression.value}
    for layer, diff_id in zip(layers, config_of(layout)["rootfs"]["diff_ids"], strict=True):
        with unpacked(layout.path(layer["digest"])) as stream:
            assert digest_of(stream.read()) == diff_id
    copy = ["skopeo", "copy", "--quiet", f"oci:{layout.folder}", f"dir:{tmp_path}/dir"]
    subprocess.run(copy, check=True, capture_output=True)


def test_gzip_has_a_fixed_header(make_archive: Archive, tmp_path: Path) -> None:
    """A packed layer carries no time, and gzip of the standard library reads it."""
    layout = normalised(make_archive(b"content"), tmp_path / "out")
    packed = layout.path(layout.root().document["layers"][0]["digest"]).read_bytes()
    assert packed[:10] == bytes([0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 255])
    assert b"content" in gzip.decompress(packed)


def test_a_remembered_layer_is_taken_and_a_damaged_one_is_not(make_archive: Archive, tmp_path: Path) -> None:
    """The cache of packed layers speeds up and is never believed: damaged entries are created again."""
    archive, cache, form = make_archive(b"x" * 1000), tmp_path / "cache", Form(CREATED)
    first = normalise(archive, tmp_path / "1", form, cache)
    (entry,) = cache.iterdir()
    before = entry.stat().st_mtime_ns
    assert normalise(archive, tmp_path / "2", form, cache).digest == first.digest
    assert entry.stat().st_mtime_ns == before
    entry.write_bytes(b"poison")
    assert normalise(archive, tmp_path / "3", form, cache).digest == first.digest
    assert entry.read_bytes() != b"poison"


@pytest.mark.parametrize("remembered", [False, True])
def test_variants_packed_at_once_share_a_cache(
    make_archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, remembered: bool
) -> None:
    """Two processes that pack the same layer into one cache volume both succeed and leave one entry."""
    archive, cache, form = make_archive(b"x" * 1000), tmp_path / "cache", Form(CREATED)
    if remembered:
        normalise(archive, tmp_path / "before", form, cache)
        next(cache.iterdir()).write_bytes(b"poison")
    both = threading.Barrier(2, timeout=60)
    real = compression.LayerPress._pack  # noqa: SLF001 - the moment before the packed layer gets its name

    def together(press: compression.LayerPress, *words: Any) -> tuple[str, str]:
        made = real(press, *words)
        both.wait()
        return made

    monkeypatch.setattr(compression.LayerPress, "_pack", together)
    with ThreadPoolExecutor() as pool:
        runs = [pool.submit(normalise, archive, tmp_path / name, form, cache) for name in ("one", "two")]
    assert len({run.result().digest for run in runs}) == 1
    assert [path.name[0] != "." for path in cache.iterdir()] == [True]


def test_a_remembered_layer_is_streamed(tmp_path: Path) -> None:
    """A layer of gigabytes is copied out of the cache in blocks, never as a whole in memory."""
    cache, blobs, diff_id = tmp_path / "cache", tmp_path / "blobs", f"sha256:{64 * 'a'}"
    cache.mkdir()
    blobs.mkdir()
    content = os.urandom(16 << 20)
    digest = digest_of(content)
    name = f"{diff_id[7:]}-gzip{compression.GZIP_LEVEL}-modes-{64 * 'b'}-{digest[7:]}"
    (cache / name).write_bytes(content)
    tracemalloc.start()
    try:
        layer = compression.LayerPress(Compression.GZIP, blobs, cache).press(tmp_path / "absent", diff_id)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (layer.blob.digest, layer.blob.size) == (digest, len(content))
    assert peak < len(content) / 4


def test_a_layer_that_is_not_its_diff_id_is_refused(make_archive: Archive, tmp_path: Path) -> None:
    """A changed byte in a layer of the archive ends the rewrite."""
    archive = make_archive(b"honest")
    archive.write_bytes(archive.read_bytes().replace(b"honest", b"broken"))
    with pytest.raises(CorruptError, match="expected sha256:"):
        normalised(archive, tmp_path / "out")


@pytest.mark.parametrize("content", [b"", b"no tar at all", b"\0" * 1024])
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    """Empty files and junk are refused with what was expected."""
    (tmp_path / "image.tar").write_bytes(content)
    with pytest.raises(RegistryError, match="expected"):
        normalised(tmp_path / "image.tar", tmp_path / "out")


def test_an_entry_outside_the_folder_is_refused(make_tar: Callable[..., bytes], tmp_path: Path) -> None:
    """An archive entry that climbs out is refused by name, and nothing is written there."""
    (tmp_path / "image.tar").write_bytes(make_tar({"../../evil": b"x"}))
    with pytest.raises(RegistryError, match=r"'\.\./\.\./evil' leaves its folder"):
        normalised(tmp_path / "image.tar", tmp_path / "deep" / "out")
    assert not list(tmp_path.rglob("evil"))


def test_images_of_two_platforms_become_one_index(make_layout: Callable[..., Layout], tmp_path: Path) -> None:
    """The index names each image by its platform, and skopeo chooses by it."""
    layouts = [make_layout(b"intel", architecture="amd64"), make_layout(b"arm", architecture="arm64")]
    index = joined(layouts, tmp_path / "index")
    entries = {entry["platform"]["architecture"]: entry["digest"] for entry in index.children()}
    assert entries == {"amd64": layouts[0].root().digest, "arm64": layouts[1].root().digest}
    for architecture in entries:
        inspect = ["skopeo", "inspect", "--config", f"--override-arch={architecture}"]
        read = subprocess.run([*inspect, f"oci:{tmp_path}/index"], check=True, capture_output=True, text=True)
        assert json.loads(read.stdout)["architecture"] == architecture


def test_two_images_of_one_platform_are_no_index(make_layout: Callable[..., Layout], tmp_path: Path) -> None:
    """A client could not choose: refused."""
    with pytest.raises(RegistryError, match="two images of"):
        joined([make_layout(b"one"), make_layout(b"two")], tmp_path / "index")
