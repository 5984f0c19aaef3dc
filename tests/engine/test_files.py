"""The embedded engine's files behave as a Dagger engine's."""

import errno
import os
import socket
import stat as bits
from pathlib import Path

import pytest

from pipeline.engine.comparing import changes, diff, tree_digest
from pipeline.engine.copying import Copying, clone, copy_file, copy_tree
from pipeline.engine.files import (
    make_directory,
    make_symlink,
    remove,
    replace_file,
    set_owner,
    set_times,
    write_file,
)
from pipeline.engine.ignore import Filter
from pipeline.engine.inodes import private
from pipeline.engine.listing import FileType, entries, glob, stat
from pipeline.engine.owners import parse_owner, parse_user
from pipeline.engine.paths import normalise, resolve
from pipeline.engine.searching import Search, search
from pipeline.engine.staging import STAGING_PREFIX, remove_tree, staged, write_whole

ALL = ["a/", "a/b/", "a/b/two.md", "a/one.txt", "empty/", "top.txt"]

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="owners and devices need root")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Give the tree of the conformance cases."""
    root = tmp_path / "tree"
    root.mkdir()
    write_file(root, "a/one.txt", b"one")
    write_file(root, "a/b/two.md", b"two\n")
    write_file(root, "top.txt", b"top", 0o600)
    make_directory(root, "empty", 0o700)
    return root


@pytest.fixture
def dest(tmp_path: Path) -> Path:
    """Give an empty folder."""
    (tmp_path / "dest").mkdir()
    return tmp_path / "dest"


def modes(root: Path) -> dict[str, str]:
    """Give the mode of every path as octal text."""
    return {path: f"{(root / path).lstat().st_mode & 0o7777:o}" for path in glob(root, "**")}


# --- paths


@pytest.mark.parametrize(
    ("path", "expected"),
    [("", "/"), (".", "/"), ("..", "/"), ("../../x", "/x"), ("//a//b/", "/a/b"), ("a/../b", "/b")],
)
def test_container_path_is_cleaned(path: str, expected: str) -> None:
    """A container path is absolute and never rises above "/"."""
    assert normalise(path) == expected


def test_absolute_link_starts_at_the_root(dest: Path) -> None:
    """An absolute link target is taken from the root, not from the host."""
    write_file(dest, "etc/passwd", b"inside")
    make_symlink(dest, "/etc", "link")

    assert resolve(dest, "link/passwd").read_bytes() == b"inside"


def test_link_cannot_climb_out(dest: Path) -> None:
    """Any number of ".." in a link target stops at the root."""
    make_symlink(dest, "../../../../../../etc/shadow", "a/b/out")

    assert resolve(dest, "a/b/out") == dest / "etc/shadow"


def test_link_loop_is_eloop(dest: Path) -> None:
    """A loop of links is ELOOP, not a hang."""
    make_symlink(dest, "two", "one")
    make_symlink(dest, "one", "two")

    with pytest.raises(OSError, match="symbolic links") as caught:
        resolve(dest, "one/x")
    assert caught.value.errno == errno.ELOOP


def test_last_link_can_be_kept(dest: Path) -> None:
    """The last component is not followed when not asked."""
    make_symlink(dest, "target", "link")

    assert resolve(dest, "link", follow_last=False) == dest / "link"


def test_writing_through_an_absolute_link_stays_inside(dest: Path, tmp_path: Path) -> None:
    """A write through a link out of the root lands inside the root."""
    make_symlink(dest, str(tmp_path), "out")
    write_file(dest, "out/x", b"1")

    assert not (tmp_path / "x").exists()
    assert (dest / str(tmp_path).lstrip("/") / "x").read_bytes() == b"1"


# --- listing


def test_entries_are_sorted_with_slashes(tree: Path) -> None:
    """Folders end in "/", links to folders do not."""
    make_symlink(tree, "a", "link")

    assert entries(tree) == ["a/", "empty/", "link", "top.txt"]
    assert entries(tree, "a") == ["b/", "one.txt"]
    assert entries(tree, "link") == ["b/", "one.txt"]


def test_entries_of_a_missing_folder_name_it(tree: Path) -> None:
    """The error names the container path, not the host's."""
    with pytest.raises(FileNotFoundError, match="'zzz'"):
        entries(tree, "zzz")


def test_entries_keep_odd_names(dest: Path) -> None:
    """Quotes, spaces, backslashes, newlines and 255 bytes are names."""
    names = ["a b.txt", "a\nb", "back\\slash", 'd"q', "q'uote", "x" * 255, "é.txt", "名.txt"]
    for name in names:
        write_file(dest, name, b"1")

    assert entries(dest) == sorted(names, key=os.fsencode)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*", ["a/", "empty/", "top.txt"]),
        ("**", ALL),
        ("**/*.md", ["a/b/two.md"]),
        ("a", ["a/"]),
        ("a/*", ["a/b/", "a/one.txt"]),
        ("a/**", ["a/b/", "a/b/two.md", "a/one.txt"]),
        ("nope*", []),
        ("!a", []),
    ],
)
def test_glob_gives_matching_paths(tree: Path, pattern: str, expected: list[str]) -> None:
    """A glob lists the paths that match, folders with a slash."""
    assert glob(tree, pattern) == expected


def test_stat_tells_what_dagger_tells(tree: Path) -> None:
    """Size, permission bits, kind and name; links followed or not."""
    make_symlink(tree, "top.txt", "link")
    found = stat(tree, "link")

    assert (found.size, oct(found.permissions), found.file_type) == (3, "0o600", FileType.REGULAR)
    assert stat(tree, "link", follow_last=False).file_type is FileType.SYMLINK
    assert stat(tree, "a").file_type is FileType.DIRECTORY
    with pytest.raises(FileNotFoundError, match="'zz'"):
        stat(tree, "zz")


# --- writing


def test_new_file_has_dagger_modes(dest: Path) -> None:
    """A new file is 0644, its parents 0755, whatever the umask."""
    before = os.umask(0o077)
    try:
        write_file(dest, "x/y.txt", b"c")
    finally:
        os.umask(before)

    assert modes(dest) == {"x/": "755", "x/y.txt": "644"}


@as_root
def test_owner_is_the_files_not_its_parents(dest: Path) -> None:
    """An owner given for a file leaves the folders made for it to root."""
    replace_file(dest, "x/y.txt", b"c", Copying(owner=(1001, 1002), mode=0o755))
    found = [(dest / path).stat() for path in ("x", "x/y.txt")]

    assert [(each.st_uid, each.st_gid) for each in found] == [(0, 0), (1001, 1002)]


def test_write_keeps_the_mode_of_an_existing_file(tree: Path) -> None:
    """`Directory.withNewFile` over a file keeps its mode; the container's does not."""
    write_file(tree, "top.txt", b"new", 0o644)
    kept = modes(tree)["top.txt"]
    replace_file(tree, "top.txt", b"new")

    assert (kept, modes(tree)["top.txt"]) == ("600", "644")


def test_write_goes_through_a_link_and_replace_does_not(tree: Path) -> None:
    """A write follows a last link inside the root; a replacement takes its place."""
    make_symlink(tree, "/top.txt", "link")
    write_file(tree, "link", b"through")
    replace_file(tree, "link", b"instead")

    assert (tree / "top.txt").read_bytes() == b"through"
    assert (tree / "link").read_bytes() == b"instead"
    assert not (tree / "link").is_symlink()


def test_write_to_a_folder_is_refused(tree: Path) -> None:
    """A folder is not turned into a file by a write."""
    with pytest.raises(IsADirectoryError):
        write_file(tree, "a", b"")


def test_write_outside_lands_inside(dest: Path) -> None:
    """Path "../x" is "x", "/abs/x" is "abs/x"."""
    write_file(dest, "../x", b"1")
    write_file(dest, "/abs/x", b"1")

    assert glob(dest, "**") == ["abs/", "abs/x", "x"]


def test_too_long_name_is_refused(dest: Path) -> None:
    """A name over 255 bytes is an error that says so."""
    with pytest.raises(OSError, match="exceeds the maximum supported 255"):
        write_file(dest, "é" * 128, b"1")


def test_new_directory_gives_its_mode_to_missing_parents(dest: Path) -> None:
    """Parents made for a new folder get its mode, existing ones keep theirs."""
    make_directory(dest, "kept")
    make_directory(dest, "kept/p/q", 0o700)

    assert modes(dest) == {"kept/": "755", "kept/p/": "700", "kept/p/q/": "700"}


def test_new_directory_outside_is_refused(dest: Path) -> None:
    """A folder outside its parent is an error."""
    with pytest.raises(ValueError, match="outside parent"):
        make_directory(dest, "../x")


# --- copying


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


def test_folder_is_no_file(tree: Path, dest: Path) -> None:
    """Copying a folder as a file is an error."""
    with pytest.raises(IsADirectoryError):
        copy_file(tree / "a", dest, "x")


# --- clones


def test_clone_is_equal_and_independent_once_private(tree: Path, tmp_path: Path) -> None:
    """A change of one clone never shows in another."""
    before = tree_digest(tree)
    clone(tree, tmp_path / "one")
    clone(tree, tmp_path / "two")
    write_file(tmp_path / "one", "top.txt", b"changed")
    set_times(tmp_path / "one", 5)
    if os.geteuid() == 0:
        set_owner(tmp_path / "one", "/", (7, 7))

    assert tree_digest(tree) == tree_digest(tmp_path / "two") == before
    assert (tree / "a/one.txt").stat().st_mtime_ns != 5_000_000_000
    assert not list(tmp_path.glob(STAGING_PREFIX + "*"))


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


# --- removing, times, owners


def test_removed_paths_are_gone(tree: Path) -> None:
    """Files and folders are removed by path."""
    assert remove(tree, "top.txt")
    assert remove(tree, "/a/b")
    assert glob(tree, "**") == ["a/", "a/one.txt", "empty/"]


def test_removing_what_is_missing_is_no_error(tree: Path) -> None:
    """A missing path changes nothing and is told."""
    assert not remove(tree, "nope")
    assert glob(tree, "**") == ALL


def test_wildcards_remove_all_that_match(tree: Path) -> None:
    """A star stops at a slash; without wildcards allowed it is a name."""
    write_file(tree, "*", b"")
    assert remove(tree, "*", allow_wildcard=False)
    assert remove(tree, "a/*.txt")
    assert not remove(tree, "*.md")
    assert glob(tree, "**") == ["a/", "a/b/", "a/b/two.md", "empty/", "top.txt"]


def test_removing_a_link_leaves_its_target(tree: Path) -> None:
    """A link is removed, what it leads to stays."""
    make_symlink(tree, "a", "link")
    remove(tree, "link")

    assert glob(tree, "**") == ALL


def test_removing_the_root_empties_it(tree: Path) -> None:
    """Without anything left the folder itself remains."""
    remove(tree, "/")

    assert entries(tree) == []


def test_times_reach_everything(tree: Path) -> None:
    """Every file, folder and link, and the folder itself, gets the time."""
    make_symlink(tree, "/nowhere", "link")
    set_times(tree, 1_000_000_000)
    times = {(tree / path).lstat().st_mtime for path in [*ALL, "link", ""]}

    assert times == {1_000_000_000}


@as_root
def test_owner_reaches_everything_below(tree: Path) -> None:
    """A folder is given away with all below it, a link itself and not its target."""
    make_symlink(tree, "../top.txt", "a/link")
    set_owner(tree, "a", (7, 8))
    owned = {path for path in glob(tree, "**") if (tree / path).lstat().st_gid == 8}

    assert owned == {"a/", "a/b/", "a/b/two.md", "a/link", "a/one.txt"}


def test_owner_numbers_and_names(dest: Path) -> None:
    """Numbers stand for themselves, names are looked up; the group follows the user."""
    write_file(dest, "etc/passwd", b"root:x:0:0::/:/bin/sh\nweb:x:33:44::/:\nbad\n")
    write_file(dest, "etc/group", b"root:x:0:\nstaff:x:50:web\n")
    texts = ["1001", "1001:1002", "web", "web:staff", "root", "5:staff"]

    assert [parse_owner(text, dest) for text in texts] == [
        (1001, 1001),
        (1001, 1002),
        (33, 33),
        (33, 50),
        (0, 0),
        (5, 50),
    ]
    assert [parse_user(text, dest) for text in ["web", "33", "77", "web:staff"]] == [
        (33, 44),
        (33, 44),
        (77, 0),
        (33, 50),
    ]


def test_unknown_names_are_refused_in_daggers_words(dest: Path) -> None:
    """An unknown user, group or missing passwd file is told apart."""
    with pytest.raises(LookupError, match="open /etc/passwd: no such file or directory"):
        parse_owner("web", dest)
    write_file(dest, "etc/passwd", b"")
    write_file(dest, "etc/group", b"")
    with pytest.raises(LookupError, match="find uid: no such user: web"):
        parse_owner("web", dest)
    with pytest.raises(LookupError, match="find gid: no such group: web"):
        parse_owner("0:web", dest)
    with pytest.raises(LookupError, match="unable to find user web: no matching entries in passwd file"):
        parse_user("web", dest)


# --- comparing


def test_diff_holds_what_is_new_or_changed(tree: Path, tmp_path: Path, dest: Path) -> None:
    """New and changed files with their parents; removed ones leave no trace."""
    copy_tree(tree, tmp_path, "/upper", Copying(link=False))
    write_file(tmp_path, "upper/new", b"n")
    write_file(tmp_path, "upper/top.txt", b"changed")
    remove(tmp_path, "upper/empty")
    (tmp_path / "upper/a/b/two.md").chmod(0o755)
    diff(tree, tmp_path / "upper", dest)

    assert glob(dest, "**") == ["a/", "a/b/", "a/b/two.md", "new", "top.txt"]


def test_diff_does_not_see_times(tree: Path, tmp_path: Path, dest: Path) -> None:
    """Equal content with other times is no difference."""
    copy_tree(tree, tmp_path, "/upper", Copying(link=False))
    set_times(tmp_path / "upper", 1)
    diff(tree, tmp_path / "upper", dest)

    assert glob(dest, "**") == []


def test_changes_are_told_as_dagger_tells_them(tree: Path, tmp_path: Path) -> None:
    """Added, modified and removed paths; a removed folder stands for its content."""
    clone(tree, tmp_path / "after")
    write_file(tmp_path, "after/new", b"n")
    write_file(tmp_path, "after/dir/in", b"n")
    remove(tmp_path, "after/top.txt")
    remove(tmp_path, "after/a/b")
    write_file(tmp_path, "after/a/one.txt", b"x")
    found = changes(tree, tmp_path / "after")

    assert found.added == ("dir/", "dir/in", "new")
    assert found.modified == ("a/one.txt",)
    assert found.removed == ("a/b/", "top.txt")
    assert found.all_removed == ("a/b/", "a/b/two.md", "top.txt")
    assert not found.is_empty


def test_changes_see_the_executable_bit_and_no_other_mode(tree: Path, tmp_path: Path) -> None:
    """As git: 0600 to 0644 is no change, 0644 to 0755 is."""
    copy_tree(tree, tmp_path, "/after", Copying(link=False))
    (tmp_path / "after/top.txt").chmod(0o644)
    (tmp_path / "after/a/one.txt").chmod(0o755)

    assert changes(tree, tmp_path / "after").modified == ("a/one.txt",)


def test_changed_kind_is_removed_and_added(tree: Path, tmp_path: Path) -> None:
    """A file that became a folder is gone as one and new as the other."""
    clone(tree, tmp_path / "after")
    remove(tmp_path, "after/top.txt")
    make_directory(tmp_path, "after/top.txt")
    found = changes(tree, tmp_path / "after")

    assert (found.added, found.modified, found.removed) == (("top.txt/",), (), ("top.txt",))


def test_folders_alone_are_no_changes(tree: Path, tmp_path: Path) -> None:
    """A change list of empty folders counts as empty, as in git."""
    clone(tree, tmp_path / "after")
    make_directory(tmp_path, "after/only")
    found = changes(tree, tmp_path / "after")

    assert found.added == ("only/",)
    assert found.is_empty


def test_digest_is_of_content_not_of_times(tree: Path, tmp_path: Path) -> None:
    """Equal trees have equal digests whenever they were made."""
    copy_tree(tree, tmp_path, "/copy", Copying(link=False))
    set_times(tmp_path / "copy", 1)

    assert tree_digest(tmp_path / "copy") == tree_digest(tree)


@pytest.mark.parametrize("change", ["content", "mode", "name", "link", "empty folder"])
def test_digest_sees_every_change(tree: Path, change: str) -> None:
    """Content, mode, names, link targets and empty folders count."""
    make_symlink(tree, "one", "link")
    before = tree_digest(tree)
    if change == "content":
        (tree / "top.txt").write_text("toq")
    elif change == "mode":
        (tree / "top.txt").chmod(0o644)
    elif change == "name":
        (tree / "top.txt").rename(tree / "top2.txt")
    elif change == "link":
        (tree / "link").unlink()
        make_symlink(tree, "two", "link")
    else:
        make_directory(tree, "more")

    assert tree_digest(tree) != before


# --- searching


def found(root: Path, **wanted: object) -> list[tuple[str, int]]:
    """Give path and line of each search result."""
    return [(each.file_path, each.line_number) for each in search(root, Search(**wanted))]  # type: ignore[arg-type]


def test_search_tells_file_line_offset_and_matches(dest: Path) -> None:
    """A result has the line, its byte offset and byte positions of the matches."""
    write_file(dest, "d/f", "é\nxé two two\nend".encode())
    (result,) = search(dest, Search(pattern="two", literal=True))

    assert (result.file_path, result.line_number, result.absolute_offset) == ("d/f", 2, 3)
    assert result.matched_lines == "xé two two\n"
    assert [(each.text, each.start, each.end) for each in result.submatches] == [
        ("two", 4, 7),
        ("two", 8, 11),
    ]


def test_search_options(tree: Path) -> None:
    """Case, plain text, paths, globs, hidden and ignored files, limit."""
    write_file(tree, ".hidden", b"two\n")
    write_file(tree, ".ignore", b"*.md\n")
    write_file(tree, "c.txt", b"TWO\nt.o\ntwo\n")

    assert found(tree, pattern="t.o") == [(".hidden", 1), ("a/b/two.md", 1), ("c.txt", 2), ("c.txt", 3)]
    assert found(tree, pattern="t.o", literal=True) == [("c.txt", 2)]
    assert found(tree, pattern="TWO", insensitive=True, globs=("*.txt",)) == [("c.txt", 1), ("c.txt", 3)]
    assert found(tree, pattern="two", paths=("a",)) == [("a/b/two.md", 1)]
    assert found(tree, pattern="two", skip_hidden=True, skip_ignored=True) == [("c.txt", 3)]
    assert found(tree, pattern="two", globs=("!*.txt",), limit=1) == [(".hidden", 1)]
    assert found(tree, pattern="t.o", files_only=True) == [(".hidden", 0), ("a/b/two.md", 0), ("c.txt", 0)]
    assert found(tree, pattern="nothing") == []


def test_search_across_lines(dest: Path) -> None:
    """A match may span lines only when asked."""
    write_file(dest, "f", b"zero\none\ntwo\nthree\n")

    assert found(dest, pattern="one.two", dotall=True) == []
    (result,) = search(dest, Search(pattern="one\\ntwo", multiline=True))
    assert (result.line_number, result.matched_lines) == (2, "one\ntwo\n")
    assert found(dest, pattern="one.two", multiline=True) == []
    assert found(dest, pattern="one.two", multiline=True, dotall=True) == [("f", 2)]


def test_search_leaves_out_binary_files(dest: Path) -> None:
    """A file with NUL bytes, and a line that is no UTF-8, is left out."""
    write_file(dest, "bin", b"two\0")
    write_file(dest, "latin", b"two \xff\ntwo\n")

    assert found(dest, pattern="two") == [("latin", 2)]


@pytest.mark.parametrize(
    ("wanted", "problem"),
    [
        (Search(pattern="("), "regex parse error"),
        (Search(pattern="a\\n"), "search with multiline"),
        (Search(pattern="a", globs=("!",)), "parsing glob"),
        (Search(pattern="a", paths=("../x",)), "cannot escape"),
    ],
)
def test_bad_search_is_refused(tree: Path, wanted: Search, problem: str) -> None:
    """A malformed expression or an escaping path is an error."""
    with pytest.raises(ValueError, match=problem):
        search(tree, wanted)


# --- staging


def test_read_only_trees_are_removed(tmp_path: Path) -> None:
    """A folder nobody may write to is removed all the same; a missing one is fine."""
    make_directory(tmp_path, "r/o/deep")
    (tmp_path / "r/o").chmod(0o500)
    (tmp_path / "r").chmod(0)
    remove_tree(tmp_path / "r")
    remove_tree(tmp_path / "r")

    assert entries(tmp_path) == []


def test_removing_a_link_tree_leaves_the_target(tree: Path, tmp_path: Path) -> None:
    """A link to a folder is removed as a link."""
    (tmp_path / "link").symlink_to(tree)
    remove_tree(tmp_path / "link")

    assert glob(tree, "**") == ALL


def test_failed_work_leaves_nothing(tmp_path: Path) -> None:
    """A block that fails leaves neither the result nor its beginnings."""
    with pytest.raises(FileExistsError), staged(tmp_path / "final") as here:
        here.mkdir()
        here.mkdir()

    assert entries(tmp_path) == []


def test_whole_files_replace_whole_files(tmp_path: Path) -> None:
    """A replaced file has the new content and no remains beside it."""
    write_whole(tmp_path / "f", b"old")
    write_whole(tmp_path / "f", b"new")

    assert (tmp_path / "f").read_bytes() == b"new"
    assert entries(tmp_path) == ["f"]
