"""Locks: pins and hashes are read, staleness is named, comments change nothing."""

import pytest

from pipeline.errors import LockError
from pipeline.lock import Lock, check_fresh

HASH = "sha256:" + "a" * 64
PINNED = f"""
# made by uv
numpy==2.5.5 \\
    --hash={HASH} \\
    --hash=sha256:{"b" * 64}
    # via demo
colorama==0.4.6 ; sys_platform == 'win32' --hash={HASH}
Typing_Extensions==4.16.0 --hash={HASH}
"""


def test_pins_are_read_with_hashes_and_markers():
    """A pin is a normalised name, a version, a marker and its hashes."""
    pins = {pin.name: pin for pin in Lock.parse(PINNED, path="cpu.txt").pins}

    assert sorted(pins) == ["colorama", "numpy", "typing-extensions"]
    assert pins["numpy"].hashes == (HASH, "sha256:" + "b" * 64)
    assert pins["colorama"].marker == 'sys_platform == "win32"'


def test_comments_order_and_blank_lines_do_not_change_the_text():
    """What wheels are cached by stays the same when only the lock's layout changes."""
    blocks = PINNED.replace("# made by uv", "").replace("    # via demo\n", "").strip()
    reordered = "\n\n".join(reversed(blocks.replace(" \\\n    ", " ").splitlines()))

    assert Lock.parse(reordered, path="x").text == Lock.parse(PINNED, path="x").text


def test_the_text_is_read_back_as_the_same_lock():
    """The canonical text is itself a requirement file."""
    lock = Lock.parse(PINNED, path="x")

    assert Lock.parse(lock.text, path="x") == lock


def test_index_options_are_kept_apart_from_pins():
    """A lock that names its own index is accepted; the index is no pin."""
    lock = Lock.parse(f"--index-url https://index.test/simple\n{PINNED}", path="x")

    assert lock.indexes == ("https://index.test/simple",)
    assert len(lock.pins) == 3


def test_without_leaves_what_the_other_lacks():
    """The packages of tests are those that the image does not have yet."""
    both = Lock.parse(PINNED + f"pytest==9.2.0 --hash={HASH}\n", path="x")

    assert [pin.name for pin in both.without(Lock.parse(PINNED, path="x")).pins] == ["pytest"]


REFUSED = {
    "no hash": ("numpy==2.5.5", "'numpy==2.5.5' has no hash"),
    "no version": (f"numpy --hash={HASH}", "is not pinned with =="),
    "range": (f"numpy>=2 --hash={HASH}", "is not pinned with =="),
    "star": (f"numpy==2.* --hash={HASH}", "is not pinned with =="),
    "url": (f"numpy @ https://x.test/n.whl --hash={HASH}", "is a URL"),
    "editable": ("-e .", "is no requirement"),
    "empty": ("# nothing\n", "cpu.txt: no pin"),
}


@pytest.mark.parametrize(("text", "message"), REFUSED.values(), ids=REFUSED)
def test_a_line_that_pins_nothing_is_refused(text, message):
    """A line without version or hash stops, naming file, line and the command that refreshes."""
    with pytest.raises(LockError) as caught:
        Lock.parse(text, path="cpu.txt")

    assert message in str(caught.value)
    assert "wheelhouse call lock" in str(caught.value)


STALE = {
    "absent": (["scipy"], "scipy not locked, scipy required"),
    "too old": (["numpy>=3"], "numpy 2.5.5 locked, numpy>=3 required"),
    "no requirement": (["numpy >> 2"], "is no requirement"),
}


@pytest.mark.parametrize(("declared", "message"), STALE.values(), ids=STALE)
def test_a_stale_lock_says_found_and_required(declared, message):
    """A declared requirement that no pin satisfies is named with what is locked."""
    with pytest.raises(LockError) as caught:
        check_fresh(Lock.parse(PINNED, path="cpu.txt"), declared, python="3.13", path="cpu.txt")

    assert message in str(caught.value)


@pytest.mark.parametrize("declared", ["numpy>=2", "typing.extensions", "colorama; sys_platform == 'win32'"])
def test_a_fresh_lock_passes(declared):
    """Names are compared normalised; requirements of other platforms are not asked for."""
    lock = Lock.parse(PINNED, path="cpu.txt")

    check_fresh(lock, [declared], python="3.13", path="cpu.txt")
    with pytest.raises(LockError) as caught:
        check_fresh(lock, [declared, "scipy"], python="3.13", path="cpu.txt")
    assert str(caught.value).startswith("cpu.txt: scipy not locked, scipy required; expected ")


def test_pylock_is_read_like_a_requirement_file():
    """A pylock.toml (PEP 751) gives the same pins as a requirement file."""
    text = f"""
    lock-version = "1.0"
    [[packages]]
    name = "numpy"
    version = "2.5.5"
    wheels = [{{ name = "numpy.whl", hashes = {{ sha256 = "{"a" * 64}" }} }}]
    """

    assert Lock.parse_pylock(text, path="pylock.toml") == Lock.parse(f"numpy==2.5.5 --hash={HASH}", path="x")


def test_a_pylock_package_without_files_is_refused():
    """A folder or a repository in pylock.toml has no hash, so it is no pin."""
    text = '[[packages]]\nname = "demo"\nversion = "1"\ndirectory = { path = "." }\n'

    with pytest.raises(LockError, match="'demo==1' has no hash"):
        Lock.parse_pylock(text, path="pylock.toml")
