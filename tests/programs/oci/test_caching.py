"""Directories travel between machines under their key, and a poisoned one is found out."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from oci.caching import Cache, pack
from oci.content import Blob
from oci.errors import CorruptError, RegistryError
from oci.repository import Repository

Open = Callable[..., Repository]
FILES = {"a-1.whl": b"wheel a", "sub/b-2.whl": b"wheel b"}
EXPECTED = {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()}
KEY = f"wheels-{'0' * 64}"


def write(folder: Path, files: dict[str, bytes]) -> Path:
    """Write files below a folder and return it."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def test_what_is_pushed_is_pulled(registry: str, open_repository: Open, tmp_path: Path) -> None:
    """A second machine gets the same files under the same key; a second push stores nothing."""
    cache = Cache(open_repository(f"{registry}/cache/round"))
    folder = write(tmp_path / "made", FILES)
    assert cache.push(KEY, folder)
    assert not cache.push(KEY, folder)
    assert cache.pull(KEY, tmp_path / "pulled", EXPECTED)
    assert {name: (tmp_path / "pulled" / name).read_bytes() for name in FILES} == FILES


def test_an_absent_key_is_no_error(registry: str, open_repository: Open, tmp_path: Path) -> None:
    """A key that nobody pushed means: make it yourself."""
    assert not Cache(open_repository(f"{registry}/cache/none")).pull(KEY, tmp_path / "out", EXPECTED)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "poison",
    [
        {**FILES, "a-1.whl": b"evil"},
        {**FILES, "evil.pth": b"import os"},
        {"a-1.whl": b"wheel a"},
    ],
    ids=["changed", "added", "missing"],
)
def test_a_poisoned_entry_is_found_out(
    registry: str, open_repository: Open, tmp_path: Path, poison: dict[str, bytes]
) -> None:
    """Right digests under the right key do not help: the files must be those of the lock."""
    name = f"{registry}/cache/poison-{len(poison)}-{len(b''.join(poison.values()))}"
    cache = Cache(open_repository(name))
    cache.push(KEY, write(tmp_path / "evil", poison))
    with pytest.raises(CorruptError, match="poisoned"):
        cache.pull(KEY, tmp_path / "out", EXPECTED)
    assert not (tmp_path / "out").exists()


def test_an_entry_of_another_key_is_refused(registry: str, open_repository: Open, tmp_path: Path) -> None:
    """A manifest that was moved under another key's tag is not taken."""
    cache = Cache(open_repository(f"{registry}/cache/moved"))
    cache.push("models-1", write(tmp_path / "made", FILES))
    cache.repository.put_manifest(cache.repository.manifest("models-1"), KEY)
    with pytest.raises(CorruptError, match="something else"):
        cache.pull(KEY, tmp_path / "out", EXPECTED)


def test_a_tar_that_climbs_out_is_refused(
    registry: str, open_repository: Open, make_tar: Callable[..., bytes], tmp_path: Path
) -> None:
    """An entry with a path outside its folder writes nothing."""
    repository = open_repository(f"{registry}/cache/climb")
    Cache(repository).push(KEY, write(tmp_path / "made", FILES))
    evil = Blob.of(make_tar({"../../evil": b"x"}))
    repository.push_blob(evil)
    manifest = repository.manifest(KEY)
    document = manifest.document
    document["layers"][0].update(digest=evil.digest, size=evil.size)
    repository.put_manifest(type(manifest).of(document), KEY)
    with pytest.raises(CorruptError, match="refused"):
        Cache(repository).pull(KEY, tmp_path / "out", EXPECTED)
    assert not list(tmp_path.parent.glob("evil"))


def test_the_same_files_pack_to_the_same_bytes(tmp_path: Path) -> None:
    """Times, owners and the order of making do not matter; the executable bit does."""
    one = write(tmp_path / "1", FILES)
    two = write(tmp_path / "2", dict(reversed(FILES.items())))
    os.utime(two / "a-1.whl", (1, 1))
    pack(one, tmp_path / "1.tar")
    pack(two, tmp_path / "2.tar")
    assert (tmp_path / "1.tar").read_bytes() == (tmp_path / "2.tar").read_bytes()
    (two / "a-1.whl").chmod(0o755)
    pack(two, tmp_path / "2.tar")
    assert (tmp_path / "1.tar").read_bytes() != (tmp_path / "2.tar").read_bytes()


def test_links_are_not_packed(tmp_path: Path) -> None:
    """A link may point anywhere, so it is refused by name."""
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "link").symlink_to("/etc/passwd")
    with pytest.raises(RegistryError, match="link is a link"):
        pack(tmp_path / "tree", tmp_path / "out.tar")
