"""Spec of the layer cache: what is compressed, and how often."""

import gzip
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import pytest
import zstandard

from wheelhouse_engine.imageconfig import ImageError
from wheelhouse_engine.layers import PIECE_BYTES, Compression, LayerCache, layers_of
from wheelhouse_engine.runner import CommandError, Completed, ProcessRunner

pytestmark = pytest.mark.integration

BIG = bytes(range(256)) * (PIECE_BYTES // 256) + b"and a second piece"


class CountingRunner(ProcessRunner):
    """Run real processes and remember the programs, and how much skopeo exported."""

    programs: list[str]
    exported: list[list[int]]

    def __init__(self) -> None:
        super().__init__()
        object.__setattr__(self, "programs", [])
        object.__setattr__(self, "exported", [])

    async def run(self, argv: Sequence[str], **options) -> Completed:
        """Run and remember."""
        self.programs.append(argv[0])
        done = await super().run(argv, **options)
        if argv[0] == "skopeo":
            blobs = Path(argv[argv.index("--dest-shared-blob-dir") + 1], "sha256")
            self.exported.append(sorted(path.stat().st_size for path in blobs.iterdir()))
        return done


def sha256(content: bytes) -> str:
    """Return a digest as images write it."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def unpacked(packed: bytes, compression: Compression) -> bytes:
    """Undo the compression with another implementation than the one under test."""
    if compression is Compression.GZIP:
        return gzip.decompress(packed)
    return (
        zstandard.ZstdDecompressor().stream_reader(packed).read()
        if compression is Compression.ZSTD
        else packed
    )


@pytest.mark.parametrize("compression", list(Compression))
async def test_a_layer_is_what_storage_holds(storage, make_image, tmp_path, compression):
    """The cached file has the digest it is named by and unpacks to the diff id."""
    image = make_image({"big": BIG}, {"small": b"x"})
    cache = LayerCache(tmp_path, ProcessRunner(), storage)
    layers = await cache.layers(image, compression)

    assert [layer.diff_id for layer in layers] == list(await layers_of(ProcessRunner(), storage, image))
    for layer in layers:
        packed = layer.path.read_bytes()
        raw = unpacked(packed, compression)
        assert (sha256(packed), len(packed)) == (layer.digest, layer.size_bytes)
        assert (sha256(raw), len(raw)) == (layer.diff_id, layer.raw_bytes)


async def test_gzip_is_read_by_the_gzip_program(storage, make_image, tmp_path):
    """Layers of several gzip members are one gzip file to others."""
    cache = LayerCache(tmp_path, ProcessRunner(), storage)
    (layer,) = await cache.layers(make_image({"big": BIG}), Compression.GZIP)

    done = await ProcessRunner().run(["gzip", "--test"], input=layer.path.read_bytes())

    assert done.returncode == 0


@pytest.mark.parametrize("compression", list(Compression))
async def test_two_caches_hold_the_same_bytes(storage, make_image, tmp_path, compression):
    """Compression has no clock, no name and no thread order in it."""
    image = make_image({"big": BIG})
    first = await LayerCache(tmp_path / "a", ProcessRunner(), storage).layers(image, compression)
    second = await LayerCache(tmp_path / "b", ProcessRunner(), storage).layers(image, compression)

    assert [layer.digest for layer in first] == [layer.digest for layer in second]


async def test_an_unchanged_image_is_not_exported_again(storage, make_image, tmp_path):
    """The second time starts no process: which layers an image has is read from its configuration."""
    image, runner = make_image({"big": BIG}), CountingRunner()
    cache = LayerCache(tmp_path, runner, storage)
    await cache.layers(image, Compression.GZIP)
    await cache.layers(image, Compression.GZIP)

    assert runner.programs == ["skopeo"]


async def test_an_edit_exports_and_compresses_only_the_new_layer(storage, make_image, tmp_path):
    """Layers that are in the cache stay the same files and are not read from storage."""
    base, runner = {"big": BIG}, CountingRunner()
    cache = LayerCache(tmp_path, runner, storage)
    (before,) = await cache.layers(make_image(base), Compression.GZIP)
    inode = before.path.stat().st_ino
    after = await cache.layers(make_image(base, {"app": b"edited"}), Compression.GZIP)

    assert (after[0].diff_id, after[0].path.stat().st_ino) == (before.diff_id, inode)
    assert len(list((tmp_path / "sha256").iterdir())) == 2
    assert max(runner.exported[0]) > len(BIG)
    assert max(runner.exported[1]) < 10_000


@pytest.mark.parametrize("damage", ["truncate", "remove", "record"])
async def test_a_damaged_cache_is_made_anew(storage, make_image, tmp_path, damage):
    """A blob or record cut short by a crash costs a new export, nothing else."""
    image = make_image({"f": b"content"})
    cache = LayerCache(tmp_path, ProcessRunner(), storage)
    (layer,) = await cache.layers(image, Compression.GZIP)
    if damage == "truncate":
        layer.path.write_bytes(b"")
    elif damage == "remove":
        layer.path.unlink()
    else:
        next((tmp_path / "layers").iterdir()).write_text('{"digest": ')
    (again,) = await cache.layers(image, Compression.GZIP)

    assert sha256(again.path.read_bytes()) == layer.digest
    assert not [entry for entry in tmp_path.iterdir() if entry.name.startswith(".tmp-")]


async def test_what_a_killed_export_left_is_removed(storage, make_image, tmp_path):
    """Drafts of a process that died days ago go away; those of a living one stay."""
    old, young = tmp_path / ".tmp-old", tmp_path / ".tmp-young"
    for folder in (old, young):
        (folder / "blobs").mkdir(parents=True)
    os.utime(old, (0, 0))
    await LayerCache(tmp_path, ProcessRunner(), storage).layers(make_image({"g": b"g"}), Compression.GZIP)

    assert (old.exists(), young.exists()) == (False, True)


async def test_storage_that_was_changed_behind_the_image_is_refused(storage, make_image, tmp_path):
    """A layer whose files were altered does not leave storage under its old digest."""
    image = make_image({"victim": b"original"})
    (victim,) = [path for path in storage.root.rglob("diff/victim") if path.read_bytes() == b"original"]
    victim.write_bytes(b"tampered")
    with pytest.raises(CommandError):
        await LayerCache(tmp_path, ProcessRunner(), storage).layers(image, Compression.GZIP)

    assert not list((tmp_path / "layers").iterdir())


async def test_an_unknown_image_is_an_error(storage, tmp_path):
    """An image that is not in storage is not an empty one."""
    with pytest.raises(CommandError, match="0" * 64):
        await LayerCache(tmp_path, ProcessRunner(), storage).layers("0" * 64, Compression.GZIP)


def test_a_compression_that_is_not_offered_is_refused_by_name():
    """EStarGZ is refused with the list of what there is."""
    with pytest.raises(ImageError, match=r"EStarGZ is not available .* Gzip, Zstd, Uncompressed"):
        Compression.parse("EStarGZ")
