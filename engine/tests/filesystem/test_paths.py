"""A container path never leads out of its root."""

import errno
from pathlib import Path

import pytest

from wheelhouse_engine.files import make_symlink, write_file
from wheelhouse_engine.paths import normalise, resolve


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
    make_symlink(dest, "/etc", "deep/link")

    assert resolve(dest, "deep/link/passwd").read_bytes() == b"inside"


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
