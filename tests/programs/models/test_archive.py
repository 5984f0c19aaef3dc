"""Archives: named files come out; members that escape, link or swell stop everything."""

import io
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest
from models.archive import extract
from models.errors import ModelError, SourceError, UnsafeFile
from models.sources.interface import Wanted


def zipped(path: Path, members: dict[str, bytes], *, mode: int = 0o644) -> Path:
    """Write a zip file."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, data)
    return path


def tarred(path: Path, *members: tarfile.TarInfo) -> Path:
    """Write a tar file whose regular members hold zeros."""
    with tarfile.open(path, "w") as archive:
        for info in members:
            archive.addfile(info, io.BytesIO(bytes(info.size)) if info.isreg() else None)
    return path


def entry(name: str, kind: bytes = tarfile.REGTYPE, size: int = 3) -> tarfile.TarInfo:
    """Return one tar member."""
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size if kind == tarfile.REGTYPE else 0
    info.linkname = "/etc/passwd"
    return info


def take(archive: Path, name: str = "a.json", size: int | None = None) -> bytes:
    """Extract one file and return its bytes."""
    target = archive.parent / "taken"
    extract(archive, {name: target}, [Wanted(name, size_bytes=size)])
    return target.read_bytes()


def test_wanted_member_comes_out(tmp_path: Path) -> None:
    """A member is written to its target, and no other member anywhere."""
    archive = zipped(tmp_path / "a.zip", {"a.json": b"{}", "b.json": b"[]"})

    assert take(archive) == b"{}"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zip", "taken"]


def test_tar_member_with_dot_prefix_comes_out(tmp_path: Path) -> None:
    """`./a.json` is `a.json`."""
    assert take(tarred(tmp_path / "a.tar", entry(".", tarfile.DIRTYPE), entry("./a.json"))) == bytes(3)


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", "a\\..\\x", "a//b", "a/./b"])
def test_member_outside_the_root_is_refused(tmp_path: Path, name: str) -> None:
    """A name that leaves the root condemns the archive, even when it is not wanted."""
    with pytest.raises(UnsafeFile, match="leaves"):
        take(zipped(tmp_path / "a.zip", {"a.json": b"{}", name: b"x"}))


def test_symbolic_link_in_zip_is_refused(tmp_path: Path) -> None:
    """A zip member that is a link is refused by name."""
    with pytest.raises(UnsafeFile, match=r"a\.json"):
        take(zipped(tmp_path / "a.zip", {"a.json": b"/etc/passwd"}, mode=stat.S_IFLNK | 0o777))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_tar_are_refused(tmp_path: Path, kind: bytes) -> None:
    """A tar member that is neither file nor directory is refused."""
    with pytest.raises(UnsafeFile, match="link or a device"):
        take(tarred(tmp_path / "a.tar", entry("a.json", kind)))


def test_repeated_member_is_refused(tmp_path: Path) -> None:
    """Two members of one name leave open which was checked."""
    with pytest.raises(UnsafeFile, match="twice"):
        take(tarred(tmp_path / "a.tar", entry("a.json"), entry("./a.json")))


def test_bomb_is_refused(tmp_path: Path) -> None:
    """A member that unpacks to more than 200 times its size is refused before it is unpacked."""
    with pytest.raises(UnsafeFile, match="200 to 1"):
        take(zipped(tmp_path / "a.zip", {"a.json": bytes(30_000_000)}))


def test_other_size_than_locked_is_refused(tmp_path: Path) -> None:
    """A member of another size is not unpacked."""
    with pytest.raises(SourceError, match="expected 5"):
        take(zipped(tmp_path / "a.zip", {"a.json": b"{}"}), size=5)


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 not really", b"no archive at all"])
def test_broken_archive_is_an_error(tmp_path: Path, data: bytes) -> None:
    """What is no archive gives an error that names it."""
    (tmp_path / "a.zip").write_bytes(data)

    with pytest.raises(ModelError, match=r"a\.zip"):
        take(tmp_path / "a.zip")


def test_absent_member_is_named(tmp_path: Path) -> None:
    """A wanted file that is not there is named."""
    with pytest.raises(SourceError, match=r"a\.json is not in"):
        take(zipped(tmp_path / "a.zip", {"b.json": b"{}"}))
