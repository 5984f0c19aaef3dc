"""Copies and clones carry all that belongs to a file."""

import os
import socket
import stat as bits
from collections.abc import Callable
from pathlib import Path

import pytest

from wheelhouse_engine.comparing import tree_digest
from wheelhouse_engine.copying import Copying, clone, copy_file, copy_tree
from wheelhouse_engine.files import (
    make_directory,
    make_symlink,
    remove,
    replace_file,
    set_owner,
    set_times,
    write_file,
)
from wheelhouse_engine.ignore import Filter
from wheelhouse_engine.inodes import private
from wheelhouse_engine.listing import entries, glob
from wheelhouse_engine.staging import STAGING_PREFIX

ALL = ["a/", "a/b/", "a/b/two.md", "a/one.txt", "empty/", "top.txt"]

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="owners and devices need root")


def modes(root: Path) -> dict[str, str]:
    """Give the mode of every path as octal text."""
    return {path: f"{(root / path).lstat().st_mode & 0o7777:o}" for path in glob(root, "**")}


def test_copy_keeps_everything(tree: Path, dest: Path) -> None:
    """Modes, times, links, hard links and empty folders survive a copy."""
    os.link(tree / "top.txt", tree / "hard")
    make_symlink(tree, "/abs", "a/link")
    (tree / "top.txt").chmod(0o4755)
    os.utime(tree / "top.txt", ns=(1, 1_000_000_001))
    os.utime(tree / "a", ns=(2, 2_000_000_002))
    os.setxattr(tree / "a", "user.note", b"kept")
    copy_tree(tree, dest, "/", Copying(link=False))

    assert modes(dest) == modes(tree)
    assert tree_digest(dest) == tree_digest(tree)
    assert (dest / "hard").samefile(dest / "top.txt")
    assert not (dest / "hard").samefile(tree / "top.txt")
    assert (dest / "a/link").readlink() == Path("/abs")
    assert (dest / "top.txt").stat().st_mtime_ns == 1_000_000_001
    assert (dest / "a").stat().st_mtime_ns == 2_000_000_002
    assert os.getxattr(dest / "a", "user.note") == b"kept"


def test_linked_copy_shares_inodes_with_its_source(tree: Path, dest: Path) -> None:
    """With links allowed an unchanged file costs no space."""
    copy_tree(tree, dest, "/d")

    assert (dest / "d/top.txt").samefile(tree / "top.txt")
    assert modes(dest)["d/"] == "755"


@as_root
def test_owner_applies_to_all_that_is_copied(tree: Path, dest: Path) -> None:
    """Everything copied and the destination made for it belong to the owner."""
    copy_tree(tree, dest, "/p/d", Copying(owner=(1001, 1001)))
    owned = {path for path in glob(dest, "**") if (dest / path).lstat().st_uid == 1001}

    assert owned == {"p/d/", *(f"p/d/{path}" for path in ALL)}
    assert (tree / "top.txt").stat().st_uid == 0
    assert modes(dest)["p/d/top.txt"] == "600"


def test_mode_applies_to_all_that_is_copied(tree: Path, dest: Path) -> None:
    """A mode given for a copy is that of every file and folder of it."""
    copy_tree(tree, dest, "/", Copying(mode=0o750))

    assert set(modes(dest).values()) == {"750"}
    assert modes(tree)["top.txt"] == "600"


def test_copies_merge(tree: Path, dest: Path) -> None:
    """A second copy adds and replaces, and removes nothing."""
    more = dest / "more"
    write_file(more.parent, "more/a/one.txt", b"ONE")
    write_file(more.parent, "more/z", b"z")
    copy_tree(tree, dest, "/d")
    copy_tree(more, dest, "/d")

    assert glob(dest / "d", "**") == [*ALL, "z"]
    assert (dest / "d/a/one.txt").read_bytes() == b"ONE"
    assert (dest / "d/a/one.txt").samefile(more / "a/one.txt")
    assert (tree / "a/one.txt").read_bytes() == b"one"


def test_filter_applies_to_a_copy(tree: Path, dest: Path) -> None:
    """Only the wanted entries and their parents are copied."""
    copy_tree(tree, dest, "/", Copying(filter=Filter(include=("**/*.txt",))))

    assert glob(dest, "**") == ["a/", "a/one.txt", "top.txt"]


def test_files_and_folders_take_each_others_place(dest: Path) -> None:
    """A file replaces a folder and a folder a file."""
    write_file(dest, "new/x", b"file")
    write_file(dest, "new/y/in", b"1")
    write_file(dest, "old/x/in", b"1")
    write_file(dest, "old/y", b"file")
    copy_tree(dest / "new", dest, "/old")

    assert glob(dest / "old", "**") == ["x", "y/", "y/in"]


def test_copied_folder_merges_into_what_a_link_leads_to(dest: Path) -> None:
    """A link to a folder stays and is followed inside the root; a file replaces a link."""
    write_file(dest, "new/lib/f", b"new")
    write_file(dest, "new/file", b"new")
    write_file(dest, "root/usr/lib/g", b"old")
    make_symlink(dest / "root", "/usr/lib", "lib")
    make_symlink(dest / "root", "usr/lib/g", "file")
    copy_tree(dest / "new", dest / "root", "/")

    assert (dest / "root/lib").is_symlink()
    assert entries(dest / "root/usr/lib") == ["f", "g"]
    assert (dest / "root/usr/lib/g").read_bytes() == b"old"
    assert not (dest / "root/file").is_symlink()


def test_destination_that_is_a_dangling_link_becomes_a_folder(tree: Path, dest: Path) -> None:
    """A link to nothing does not swallow a copied folder."""
    make_symlink(dest, "/nowhere", "a")
    copy_tree(tree, dest, "/")

    assert entries(dest, "a") == ["b/", "one.txt"]
    assert not (dest / "a").is_symlink()


def test_existing_destination_keeps_its_own_mode(tree: Path, dest: Path) -> None:
    """The top of the destination keeps its mode, folders below take the source's."""
    make_directory(dest, "d", 0o711)
    make_directory(dest, "d/empty", 0o755)
    copy_tree(tree, dest, "/d")

    assert modes(dest)["d/"] == "711"
    assert modes(dest)["d/empty/"] == "700"


@as_root
def test_special_files_are_copied_and_sockets_left_out(dest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pipes and devices are made anew; a socket means nothing elsewhere."""
    make_directory(dest, "s")
    os.mkfifo(dest / "s/pipe")
    os.mknod(dest / "s/null", 0o666 | bits.S_IFCHR, os.makedev(1, 3))
    monkeypatch.chdir(dest / "s")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("sock")
        copy_tree(dest / "s", dest, "/d", Copying(link=False))

    assert entries(dest, "d") == ["null", "pipe"]
    assert (dest / "d/null").stat().st_rdev == os.makedev(1, 3)


@pytest.mark.parametrize(
    ("path", "expected"),
    [("n/renamed", ["n/", "n/renamed"]), ("n/", ["n/", "n/top.txt"]), ("n/.", ["n/", "n/top.txt"])],
)
def test_copied_file_gets_the_name_its_path_says(
    tree: Path, dest: Path, path: str, expected: list[str]
) -> None:
    """A path that ends in a slash is a folder, else it is the new name."""
    copy_file(tree / "top.txt", dest, path)

    assert glob(dest, "**") == expected
    assert set(modes(dest).values()) == {"755", "600"}


def test_copied_file_goes_into_an_existing_folder(tree: Path, dest: Path) -> None:
    """An existing folder takes the file under its own name."""
    make_directory(dest, "n")
    copy_file(tree / "top.txt", dest, "n", name="link-name")

    assert glob(dest, "**") == ["n/", "n/link-name"]


@as_root
def test_owner_of_a_copied_file_is_also_its_new_folders(tree: Path, dest: Path) -> None:
    """A folder asked for by a slash gets the owner, its parents do not."""
    copy_file(tree / "top.txt", dest, "p/q/", Copying(owner=(7, 7)))

    assert [(dest / path).stat().st_uid for path in ("p", "p/q", "p/q/top.txt")] == [0, 7, 7]


def test_folder_is_no_file(tree: Path, dest: Path) -> None:
    """Copying a folder as a file is an error."""
    with pytest.raises(IsADirectoryError):
        copy_file(tree / "a", dest, "x")


@pytest.mark.parametrize(
    "change",
    [
        lambda root: write_file(root, "top.txt", b"pot"),
        lambda root: replace_file(root, "top.txt", b"pot"),
        lambda root: set_times(root, 5),
        lambda root: remove(root, "top.txt"),
        pytest.param(lambda root: set_owner(root, "/", (7, 7)), marks=as_root),
        lambda root: copy_tree(root / "a", root, "/", Copying(mode=0o777)),
    ],
    ids=["write", "replace", "times", "remove", "owner", "copy"],
)
def test_change_of_one_clone_never_shows_in_another(
    tree: Path, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    """Whatever is done to a clone, its source and its siblings stay as they were."""
    before, when = tree_digest(tree), (tree / "top.txt").stat().st_mtime_ns
    clone(tree, tmp_path / "one")
    clone(tree, tmp_path / "two")
    change(tmp_path / "one")

    assert tree_digest(tree) == tree_digest(tmp_path / "two") == before
    assert (tree / "top.txt").stat().st_mtime_ns == when
    assert not list(tmp_path.rglob(STAGING_PREFIX + "*"))


def test_clone_shares_files_not_folders(tree: Path, tmp_path: Path) -> None:
    """Folders of a clone are its own, files are the same inodes."""
    make_symlink(tree, "x", "link")
    clone(tree, tmp_path / "one")
    (tmp_path / "one/new").touch()

    assert (tmp_path / "one/top.txt").samefile(tree / "top.txt")
    assert "new" not in entries(tree)
    assert modes(tmp_path / "one")["empty/"] == "700"


def test_clone_never_replaces_a_folder(tree: Path, tmp_path: Path) -> None:
    """A destination that holds something is an error, and is left alone."""
    make_directory(tmp_path, "one/kept")
    with pytest.raises(FileExistsError):
        clone(tree, tmp_path / "one")

    assert entries(tmp_path, "one") == ["kept/"]
    assert entries(tmp_path) == ["one/", "tree/"]


def test_private_breaks_a_hard_link_and_keeps_the_rest(tree: Path, tmp_path: Path) -> None:
    """A private file has its own inode, and the same content, mode and time."""
    os.link(tree / "top.txt", tmp_path / "other")
    old, folder = (tree / "top.txt").stat(), tree.stat().st_mtime_ns
    private(tree / "top.txt")
    new = (tree / "top.txt").stat()

    assert new.st_ino != old.st_ino
    assert (new.st_mode, new.st_mtime_ns, new.st_nlink) == (old.st_mode, old.st_mtime_ns, 1)
    assert tree.stat().st_mtime_ns == folder


def test_private_leaves_a_lone_file_alone(tree: Path) -> None:
    """A file with one name is not copied."""
    before = (tree / "top.txt").stat().st_ino
    private(tree / "top.txt")

    assert (tree / "top.txt").stat().st_ino == before
