"""Host folders enter the store once, complete, and only as far as they changed."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from wheelhouse_engine.comparing import tree_digest
from wheelhouse_engine.files import make_symlink, write_file
from wheelhouse_engine.hostsync import HostSync
from wheelhouse_engine.ignore import Filter
from wheelhouse_engine.listing import entries, glob

ALL = Filter()

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="owners and devices need root")


def test_tree_holds_what_the_host_folder_holds(host: Path, store: HostSync) -> None:
    """Content, modes, times, links and empty folders arrive; the key is the digest."""
    make_symlink(host, "/etc/passwd", "link")
    os.utime(host / "a", ns=(1, 5_000_000_001))
    tree = store.trees / (key := store.sync(host, ALL))

    assert glob(tree, "**") == ["a/", "a/one.txt", "empty/", "link", "top.txt"]
    assert (tree / "link").readlink() == Path("/etc/passwd")
    assert (tree / "a").stat().st_mtime_ns == 5_000_000_001
    assert (tree / "top.txt").stat().st_mtime_ns == (host / "top.txt").stat().st_mtime_ns
    assert [f"{(tree / path).stat().st_mode & 0o777:o}" for path in ("", "empty", "top.txt")] == [
        "755",
        "700",
        "600",
    ]
    if os.geteuid() == 0:
        assert key == tree_digest(tree)


@as_root
def test_owners_become_root(host: Path, store: HostSync) -> None:
    """Who owns a file on the host does not matter to the key or the tree."""
    before = store.sync(host, ALL)
    os.chown(host / "top.txt", 1000, 1000)
    key = store.sync(host, ALL)

    assert key == before
    assert (store.trees / key / "top.txt").stat().st_uid == 0


def test_filter_decides_what_is_uploaded(host: Path, store: HostSync) -> None:
    """What is excluded is neither in the tree nor in the key."""
    wanted = Filter(exclude=("a", "../outside", "/etc"))
    before = store.sync(host, wanted)
    (host / "a/one.txt").write_bytes(b"changed")
    key = store.sync(host, wanted)

    assert key == before
    assert glob(store.trees / key, "**") == ["empty/", "top.txt"]


def test_excluding_the_folder_itself_leaves_nothing(host: Path, store: HostSync) -> None:
    """As on Dagger "." means everything; what is made is 0755 whatever the umask."""
    before = os.umask(0o077)
    try:
        tree = store.trees / store.sync(host, Filter(exclude=(".",)))
    finally:
        os.umask(before)

    assert entries(tree) == []
    assert f"{tree.stat().st_mode & 0o777:o}" == "755"


def test_gitignore_counts_from_the_repository_top(host: Path, store: HostSync) -> None:
    """The .gitignore files of a repository apply to a folder inside it."""
    (host / ".git").mkdir()
    (host / ".gitignore").write_text("/a/*.txt\n")
    write_file(host, "a/two.md", b"2")

    assert entries(store.trees / store.sync(host / "a", Filter(gitignore=True))) == ["two.md"]
    assert entries(store.trees / store.sync(host / "a", ALL)) == ["one.txt", "two.md"]


@pytest.mark.usefixtures("settled_clock")
def test_unchanged_files_are_not_read_again(host: Path, store: HostSync, reads: list[str]) -> None:
    """A second sync opens no file; after a change it opens that one."""
    first = store.sync(host, ALL)
    reads.clear()
    second = store.sync(host, ALL)
    unchanged = list(reads)
    (host / "top.txt").write_bytes(b"new")
    third = store.sync(host, ALL)

    assert second == first
    assert unchanged == []
    assert set(reads) == {"top.txt"}
    assert (store.trees / third / "top.txt").read_bytes() == b"new"
    assert (store.trees / first / "top.txt").read_bytes() == b"top"


@pytest.mark.usefixtures("settled_clock")
def test_unchanged_files_are_linked_from_the_last_tree(host: Path, store: HostSync) -> None:
    """A small edit of a big folder copies only the edited file."""
    first = store.sync(host, ALL)
    (host / "top.txt").write_bytes(b"new")
    second = store.sync(host, ALL)

    assert (store.trees / second / "a/one.txt").samefile(store.trees / first / "a/one.txt")


def test_lost_tree_is_made_again(host: Path, store: HostSync) -> None:
    """A tree that was pruned comes back."""
    key = store.sync(host, ALL)
    (store.trees / key).rename(store.trees.parent / "pruned")

    assert store.sync(host, ALL) == key
    assert (store.trees / key / "top.txt").read_bytes() == b"top"


def test_two_processes_may_sync_at_once(host: Path, store: HostSync) -> None:
    """Parallel syncs of one folder agree and leave one tree and no remains."""
    program = (
        "import sys; from pathlib import Path; from wheelhouse_engine.hostsync import HostSync;"
        "from wheelhouse_engine.ignore import Filter;"
        "print(HostSync(Path(sys.argv[1]), Path(sys.argv[2])).sync(Path(sys.argv[3]), Filter()))"
    )
    command = [sys.executable, "-c", program, str(store.trees), str(store.index), str(host)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    keys = {process.communicate()[0].strip() for process in running}

    assert keys == {store.sync(host, ALL)}
    assert entries(store.trees) == [f"{keys.pop()}/"]


def test_writer_at_work_never_leaves_a_wrong_tree(host: Path, store: HostSync) -> None:
    """While a file is rewritten a sync gives a true tree or says which file it is."""
    stop = threading.Event()

    def rewrite() -> None:
        number = 0
        while not stop.is_set():
            (host / "top.txt").write_bytes(b"%d" % (number := number + 1) * 50_000)

    writer = threading.Thread(target=rewrite)
    writer.start()
    try:
        for _ in range(10):
            try:
                store.sync(host, ALL)
            except OSError as problem:
                assert problem.filename == str(host / "top.txt")  # noqa: PT017 - either end is right
    finally:
        stop.set()
        writer.join()

    if os.geteuid() == 0 and store.trees.is_dir():
        assert all(tree_digest(tree) == tree.name for tree in store.trees.iterdir())


def test_odd_names_arrive(host: Path, store: HostSync) -> None:
    """Newlines, bytes that are no UTF-8 and 255-byte names are names."""
    names = ["a\nb", "\udcff\udcfe", "é", "x" * 255]
    for name in names:
        (host / name).write_text(repr(name))
    tree = store.trees / store.sync(host, ALL)
    again = store.sync(host, ALL)

    assert tree.name == again
    assert [(tree / name).read_text() for name in names] == [repr(name) for name in names]


def test_links_are_never_followed(host: Path, store: HostSync, tmp_path: Path) -> None:
    """A link to a folder outside brings in the link and nothing behind it."""
    write_file(tmp_path, "outside/secret", b"s")
    (host / "out").symlink_to(tmp_path / "outside")
    (host / "loop").symlink_to("loop")
    tree = store.trees / store.sync(host, ALL)

    assert (tree / "out").is_symlink()
    assert glob(tree, "out/**") == []


def test_top_that_is_a_link_is_followed(host: Path, store: HostSync, tmp_path: Path) -> None:
    """The folder itself may be named through a link."""
    (tmp_path / "link").symlink_to(host)

    assert store.sync(tmp_path / "link", ALL) == store.sync(host, ALL)


@as_root
def test_pipes_arrive_and_sockets_do_not(
    host: Path, store: HostSync, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pipe is made anew and never opened; a socket is left out."""
    os.mkfifo(host / "pipe")
    monkeypatch.chdir(host)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("sock")
        tree = store.trees / store.sync(host, ALL)

    assert entries(tree) == ["a/", "empty/", "pipe", "top.txt"]


def test_unreadable_file_is_named(as_nobody: Callable[[Callable[[Path], None]], None]) -> None:
    """A file without read permission is an error that names it."""

    def sync(folder: Path) -> None:
        write_file(folder, "host/secret", b"s", 0)
        with pytest.raises(PermissionError, match="host/secret"):
            HostSync(folder / "trees", folder / "index").sync(folder / "host", ALL)

    as_nobody(sync)


def test_missing_folder_names_the_first_missing_parent(store: HostSync, tmp_path: Path) -> None:
    """The error names what is missing first."""
    with pytest.raises(FileNotFoundError) as caught:
        store.sync(tmp_path / "no/such/dir", ALL)

    assert caught.value.filename == str(tmp_path / "no")


def test_file_is_no_folder(host: Path, store: HostSync) -> None:
    """A file given as folder, and a folder given as file, are errors."""
    with pytest.raises(NotADirectoryError):
        store.sync(host / "top.txt", ALL)
    with pytest.raises(IsADirectoryError):
        store.sync_file(host)


def test_one_file_arrives_alone(host: Path, store: HostSync) -> None:
    """A host file makes a tree with that file; a link gives its own name."""
    (host / "link").symlink_to("top.txt")
    file, link = (store.trees / store.sync_file(host / name) for name in ("top.txt", "link"))

    assert entries(file) == ["top.txt"]
    assert entries(link) == ["link"]
    assert (link / "link").read_bytes() == b"top"
    assert f"{(file / 'top.txt').stat().st_mode & 0o777:o}" == "600"


def test_failed_sync_leaves_no_tree(host: Path, store: HostSync, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fills up leaves neither a tree nor its beginnings."""

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "chmod", full)
    with pytest.raises(OSError, match="No space left"):
        store.sync(host, ALL)

    assert entries(store.trees) == []


@pytest.mark.usefixtures("settled_clock")
def test_two_thousand_files_are_checked_quickly(tmp_path: Path, store: HostSync) -> None:
    """The second sync of 2,000 unchanged files takes a walk, well under 0.3 s."""
    for number in range(2000):
        folder = tmp_path / f"many/{number % 40}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}").write_bytes(b"%d" % number)
    store.sync(tmp_path / "many", ALL)
    began = time.process_time()
    store.sync(tmp_path / "many", ALL)

    assert time.process_time() - began < 0.3
