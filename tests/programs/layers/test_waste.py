"""Bytes that nobody can see, or that an image has twice, are found and put down to a command."""

from pathlib import Path

import pytest
from layers.archive import read_image
from layers.waste import Waste, merge

from tests.programs.layers.conftest import Archive

BIG = b"x" * 2000


def wasted(archive: Archive, tmp_path: Path) -> tuple[Waste, ...]:
    """Return the waste of an archive."""
    return merge(read_image(archive.write(tmp_path / "image.tar"))).waste


def test_a_clean_image_wastes_nothing(archive, tmp_path):
    """Different files in different layers are no waste."""
    assert wasted(archive.layer("a", one=b"1").layer("b", two=b"2"), tmp_path) == ()


def test_a_file_that_a_later_layer_replaces_is_shadowed(archive, tmp_path):
    """The bytes below count, not those that a container sees."""
    found = wasted(archive.layer("a", etc__x=BIG).layer("b", etc__x=b"small"), tmp_path)

    assert found == (Waste("shadowed", "etc/x", 2000, 1, 2),)


def test_a_file_that_is_written_again_as_it_was_is_told_apart(archive, tmp_path):
    """`chown -R` in a layer of its own copies everything: that has a simple remedy."""
    [found] = wasted(archive.layer("COPY x", x=BIG).layer("chown -R app /", x=BIG), tmp_path)

    assert (found.kind, found.same) == ("shadowed", True)


@pytest.mark.parametrize("whiteout", ["wheels/.wh.a.whl", ".wh.wheels", "wheels/.wh..wh..opq"])
def test_a_file_that_a_later_layer_removes_is_still_shipped(archive, tmp_path, whiteout):
    """Whiteouts of files, of folders and of the contents of folders hide bytes and save none."""
    archive.of("COPY", {"wheels/a.whl": BIG, "wheelsmith": b"other"}).of("rm", {whiteout: b""})

    assert wasted(archive, tmp_path) == (Waste("removed", "wheels/a.whl", 2000, 1, 2),)


def test_a_file_that_comes_back_after_its_removal_is_removed_once(archive, tmp_path):
    """Only the copy below the whiteout is lost."""
    archive.layer("a", x=BIG).of("b", {".wh.x": b""}).layer("c", x=b"new")

    assert wasted(archive, tmp_path) == (Waste("removed", "x", 2000, 1, 2),)


def test_the_same_contents_at_two_paths_are_a_duplicate(archive, tmp_path):
    """The copy names the first one, across layers; empty files are nobody's loss."""
    archive.layer("a", lib__one=BIG, empty=b"").layer("b", lib__two=BIG, hollow=b"")

    assert wasted(archive, tmp_path) == (Waste("duplicate", "lib/two", 2000, 2, 1, "lib/one"),)


def test_a_shadowed_file_is_no_duplicate_of_the_one_above(archive, tmp_path):
    """Each lost byte is counted once."""
    archive.layer("a", x=BIG).layer("b", x=BIG)

    assert [one.kind for one in wasted(archive, tmp_path)] == ["shadowed"]
