"""Directories travel between machines under their key, byte for byte; nothing is judged here."""

import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from oci.caching import TREE, Cache, packed, unpacked
from oci.errors import CorruptError, RegistryError
from oci.repository import Repository
from oci.trees import pack, unpack

Open = Callable[..., Repository]
KEY = f"wheels-{'0' * 64}"
SIGNATURE = "c2lnbmF0dXJl"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Give a directory with files, a link, a hard link and modes."""
    folder = tmp_path / "tree"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "run").write_bytes(b"#!/bin/true\n")
    (folder / "bin" / "run").chmod(0o755)
    (folder / "bin" / "again").hardlink_to(folder / "bin" / "run")
    (folder / "lib").symlink_to("bin")
    (folder / "closed").mkdir(mode=0o500)
    return folder


@pytest.fixture
def stored(registry: str, open_repository: Open, tree: Path, tmp_path: Path) -> Cache:
    """Give a cache of its own that holds the tree under KEY."""
    cache = Cache(open_repository(f"{registry}/cache/{tmp_path.name.lower().replace('[', '').strip('_]')}"))
    packed(tree, folder_of(tmp_path, "packed"))
    assert cache.push(KEY, tmp_path / "packed", SIGNATURE)
    return cache


def folder_of(tmp_path: Path, name: str) -> Path:
    """Make a folder and return it."""
    (tmp_path / name).mkdir()
    return tmp_path / name


def test_what_is_pushed_is_pulled(stored: Cache, tree: Path, tmp_path: Path) -> None:
    """A second machine gets paths, bytes, modes, links and the signature; a second push stores nothing."""
    assert not stored.push(KEY, tmp_path / "packed", "b3RoZXI=")
    entry = stored.pull(KEY, folder_of(tmp_path, "pulled"))
    assert entry is not None
    assert entry.signature == SIGNATURE

    out = tmp_path / "out"
    unpacked(tmp_path / "pulled", entry.digest, out)
    assert (out / "bin/run").read_bytes() == (tree / "bin/run").read_bytes()
    assert (out / "bin/run").stat().st_mode & 0o777 == 0o755
    assert (out / "bin/run").stat().st_ino == (out / "bin/again").stat().st_ino
    assert (out / "lib").readlink() == Path("bin")
    assert (out / "closed").stat().st_mode & 0o777 == 0o500


def test_the_digest_to_sign_is_that_of_the_bytes_that_travel(
    stored: Cache, tree: Path, tmp_path: Path
) -> None:
    """What one machine signs is what another is told before it unpacks."""
    digest = packed(tree, folder_of(tmp_path, "again"))
    entry = stored.pull(KEY, folder_of(tmp_path, "pulled"))
    assert entry is not None
    assert entry.digest == digest


def test_an_absent_key_is_no_error(registry: str, open_repository: Open, tmp_path: Path) -> None:
    """A key that nobody pushed means: make it yourself."""
    cache = Cache(open_repository(f"{registry}/cache/none"))
    assert not cache.has(KEY)
    assert cache.pull(KEY, tmp_path) is None


def test_an_entry_without_a_signature_has_none(stored: Cache, tmp_path: Path) -> None:
    """An absent annotation is an empty signature, which nobody accepts."""
    manifest = stored.repository.manifest(KEY)
    document = manifest.document
    del document["annotations"]
    stored.repository.put_manifest(type(manifest).of(document), KEY)
    entry = stored.pull(KEY, folder_of(tmp_path, "pulled"))
    assert entry is not None
    assert entry.signature == ""


def test_other_bytes_than_were_vouched_for_are_refused(stored: Cache, tmp_path: Path) -> None:
    """A file that changed after it was judged is not unpacked."""
    entry = stored.pull(KEY, folder_of(tmp_path, "pulled"))
    assert entry is not None
    (tmp_path / "pulled" / TREE).write_bytes(b"evil")
    with pytest.raises(CorruptError, match="damaged"):
        unpacked(tmp_path / "pulled", entry.digest, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_is_no_entry_is_refused(stored: Cache, tmp_path: Path) -> None:
    """An image under the key's tag is named, and none of it is fetched."""
    manifest = stored.repository.manifest(KEY)
    document = {key: value for key, value in manifest.document.items() if key != "artifactType"}
    stored.repository.put_manifest(type(manifest).of(document), KEY)
    with pytest.raises(CorruptError, match="something else"):
        stored.pull(KEY, tmp_path)


@pytest.mark.parametrize("key", ["no key", "../evil", "a" * 129])
def test_a_key_that_is_no_tag_is_refused(
    registry: str, open_repository: Open, tmp_path: Path, key: str
) -> None:
    """Keys become tags, so they must be one."""
    with pytest.raises(RegistryError, match="cache key"):
        Cache(open_repository(f"{registry}/cache/tag")).pull(key, tmp_path)


@pytest.mark.parametrize(
    "entries",
    [
        [("../evil", b"x", "")],
        [("out", b"", "/"), ("out/tmp/evil-of-wheelhouse", b"x", "")],
    ],
    ids=["dots", "through a link"],
)
def test_a_tar_that_climbs_out_is_refused(tmp_path: Path, entries: list[tuple[str, bytes, str]]) -> None:
    """Even a signed entry writes nothing outside of its folder."""
    with tarfile.open(tmp_path / "evil.tar", "w") as tar:
        for name, content, link in entries:
            entry = tarfile.TarInfo(name)
            entry.size, entry.linkname = len(content), link
            entry.type = tarfile.SYMTYPE if link else tarfile.REGTYPE
            tar.addfile(entry, io.BytesIO(content))
    with pytest.raises(CorruptError, match="leaves its folder"):
        unpack(tmp_path / "evil.tar", tmp_path / "deep")
    assert not (tmp_path / "evil").exists()
    assert not Path("/tmp/evil-of-wheelhouse").exists()


def test_the_same_files_pack_to_the_same_bytes(tree: Path, tmp_path: Path) -> None:
    """Times do not matter; the executable bit does."""
    pack(tree, tmp_path / "1")
    os.utime(tree / "bin/run", (1, 1))
    pack(tree, tmp_path / "2")
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()
    (tree / "bin/run").chmod(0o644)
    pack(tree, tmp_path / "2")
    assert (tmp_path / "1").read_bytes() != (tmp_path / "2").read_bytes()


def test_special_files_are_not_packed(tree: Path, tmp_path: Path) -> None:
    """A pipe is no content: it is refused by name."""
    os.mkfifo(tree / "pipe")
    with pytest.raises(RegistryError, match="pipe is a special file"):
        pack(tree, tmp_path / "out.tar")
