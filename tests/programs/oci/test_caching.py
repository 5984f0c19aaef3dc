"""Directories travel between machines under their key, and a poisoned one is found out."""

import io
import os
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from oci.caching import ENTRY, SIGNATURE, TREE, Cache, opened, sealed
from oci.content import Blob
from oci.errors import CorruptError, RegistryError
from oci.repository import Repository
from oci.trees import pack, unpack
from oci.vouching import public_key

Open = Callable[..., Repository]
Keys = tuple[Path, Path]
KEY = f"wheels-{'0' * 64}"


def key_pair(folder: Path) -> Keys:
    """Make a private key and its public half."""
    private, public = folder / "key.pem", folder / "key.pub"
    make = ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]
    subprocess.run([*make, "-out", str(private)], check=True, capture_output=True)
    public.write_text(public_key(private))
    return private, public


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    """Give the key pair that is trusted."""
    return key_pair(tmp_path_factory.mktemp("ours"))


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
def stored(registry: str, open_repository: Open, tree: Path, keys: Keys, tmp_path: Path) -> Cache:
    """Give a cache of its own that holds the tree under KEY."""
    cache = Cache(open_repository(f"{registry}/cache/{tmp_path.name.lower().replace('[', '').strip('_]')}"))
    sealed(KEY, tree, folder_of(tmp_path, "sealed"), keys[0])
    assert cache.push(KEY, tmp_path / "sealed")
    return cache


def folder_of(tmp_path: Path, name: str) -> Path:
    """Make a folder and return it."""
    (tmp_path / name).mkdir()
    return tmp_path / name


def taken(cache: Cache, tmp_path: Path, keys: Keys) -> Path:
    """Pull and unpack KEY as another machine does."""
    assert cache.pull(KEY, folder_of(tmp_path, "pulled"))
    opened(KEY, tmp_path / "pulled", tmp_path / "out", keys[1])
    return tmp_path / "out"


def test_what_is_pushed_is_pulled(stored: Cache, tree: Path, keys: Keys, tmp_path: Path) -> None:
    """A second machine gets paths, bytes, modes and links; a second push stores nothing."""
    assert not stored.push(KEY, tmp_path / "sealed")
    out = taken(stored, tmp_path, keys)
    assert (out / "bin/run").read_bytes() == (tree / "bin/run").read_bytes()
    assert (out / "bin/run").stat().st_mode & 0o777 == 0o755
    assert (out / "bin/run").stat().st_ino == (out / "bin/again").stat().st_ino
    assert (out / "lib").readlink() == Path("bin")
    assert (out / "closed").stat().st_mode & 0o777 == 0o500


def test_an_absent_key_is_no_error(registry: str, open_repository: Open, tmp_path: Path) -> None:
    """A key that nobody pushed means: make it yourself."""
    cache = Cache(open_repository(f"{registry}/cache/none"))
    assert not cache.has(KEY)
    assert not cache.pull(KEY, tmp_path)


def test_an_entry_that_another_key_signed_is_refused(stored: Cache, keys: Keys, tmp_path: Path) -> None:
    """Who may write to the registry is not who is trusted: the signature decides."""
    with pytest.raises(CorruptError, match="poisoned: no signature by the key that is trusted"):
        taken(stored, tmp_path, (keys[0], key_pair(folder_of(tmp_path, "theirs"))[1]))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("signature", ["", "no base64!", "bm8gc2lnbmF0dXJl"])
def test_an_entry_without_a_good_signature_is_refused(
    stored: Cache, keys: Keys, tmp_path: Path, signature: str
) -> None:
    """An absent or malformed signature is none."""
    manifest = stored.repository.manifest(KEY)
    document = manifest.document
    document["annotations"][SIGNATURE] = signature
    stored.repository.put_manifest(type(manifest).of(document), KEY)
    with pytest.raises(CorruptError, match="poisoned"):
        taken(stored, tmp_path, keys)


def test_other_bytes_under_a_good_signature_are_refused(
    stored: Cache, keys: Keys, make_tar: Callable[..., bytes], tmp_path: Path
) -> None:
    """A layer that was replaced together with its digest is not the one that was signed."""
    evil = Blob.of(make_tar({"bin/run": b"evil"}))
    stored.repository.push_blob(evil)
    manifest = stored.repository.manifest(KEY)
    document = manifest.document
    document["layers"][0].update(digest=evil.digest, size=evil.size)
    stored.repository.put_manifest(type(manifest).of(document), KEY)
    with pytest.raises(CorruptError, match="poisoned"):
        taken(stored, tmp_path, keys)
    assert not (tmp_path / "out").exists()


def test_an_entry_of_another_key_is_refused(stored: Cache, tree: Path, keys: Keys, tmp_path: Path) -> None:
    """A good entry that was moved under another key's tag, say an old one with a known hole, is not taken."""
    sealed("wheels-old", tree, folder_of(tmp_path, "old"), keys[0])
    stored.push("wheels-old", tmp_path / "old")
    stored.repository.put_manifest(stored.repository.manifest("wheels-old"), KEY)
    with pytest.raises(CorruptError, match="poisoned"):
        taken(stored, tmp_path, keys)


def test_damaged_bytes_are_refused(stored: Cache, keys: Keys, tmp_path: Path) -> None:
    """A file that changed between the two processes does not get past the second."""
    stored.pull(KEY, folder_of(tmp_path, "pulled"))
    (tmp_path / "pulled" / TREE).write_bytes(b"evil")
    with pytest.raises(CorruptError, match="damaged"):
        opened(KEY, tmp_path / "pulled", tmp_path / "out", keys[1])
    assert (tmp_path / "pulled" / ENTRY).exists()


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


def test_a_wrong_private_key_is_not_shown(tree: Path, tmp_path: Path) -> None:
    """What is no key stops the seal; its text is in no message."""
    (tmp_path / "no.pem").write_text("canary")
    with pytest.raises(RegistryError, match="the cache key cannot sign") as caught:
        sealed(KEY, tree, folder_of(tmp_path, "sealed"), tmp_path / "no.pem")
    assert "canary" not in str(caught.value)


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


def test_a_wrong_public_key_is_told_from_a_poisoned_entry(stored: Cache, keys: Keys, tmp_path: Path) -> None:
    """Who passes something else than a public key is told so; nothing is taken, and nobody is accused."""
    (tmp_path / "no.pub").write_text("no key")
    with pytest.raises(RegistryError, match="public key cannot be read") as caught:
        taken(stored, tmp_path, (keys[0], tmp_path / "no.pub"))
    assert "poisoned" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_special_files_are_not_packed(tree: Path, tmp_path: Path) -> None:
    """A pipe is no content: it is refused by name."""
    os.mkfifo(tree / "pipe")
    with pytest.raises(RegistryError, match="pipe is a special file"):
        pack(tree, tmp_path / "out.tar")
