"""Locks: pins and hashes are read, staleness is named, comments change nothing."""

import pytest

from pipeline.build.lock import Lock, check_fresh
from pipeline.errors import LockError

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


URL = "https://x.test/six-1.17.0-py2.py3-none-any.whl"
REFUSED = {
    "no hash": ("numpy==2.5.5", "'numpy==2.5.5' has no hash"),
    "no version": (f"numpy --hash={HASH}", "is not pinned with =="),
    "range": (f"numpy>=2 --hash={HASH}", "is not pinned with =="),
    "star": (f"numpy==2.* --hash={HASH}", "is not pinned with =="),
    "no specifier": (f"numpy is good --hash={HASH}", "is not a valid requirement specifier (PEP 508)"),
    "another file": ("\n-r base.txt", "cpu.txt:2: '-r base.txt' reads another file"),
    "pinned twice": (f"six==1 --hash={HASH}\nsix==2 --hash={HASH}", "six is pinned twice, 1 and 2"),
    "a wheel by URL without hash": (f"six @ {URL}", "has no hash"),
}
ELSEWHERE = {
    "a folder": ("-e ./libs/core", "cpu.txt:1: '-e ./libs/core' is a folder", "to `packages`"),
    "a path": ("demo @ file:///x", "is a folder", "to `packages`"),
    "a repository": ("x @ git+https://x.test/x", "is a repository", "build a wheel"),
    "a source by URL": (
        f"x @ https://x.test/x-1.tar.gz --hash={HASH}",
        "is a URL of no wheel",
        "Build a wheel",
    ),
    "a wheel of another name": (f"seven @ {URL} --hash={HASH}", "names a wheel of six", "Fix the name"),
    "an option": ("--find-links x", "is an option that is not read", "Take it out"),
    "no UTF-8": ("\ufffd==1", "cpu.txt: not valid UTF-8", "Save the file"),
}
"""Lines that `lock` could not write better."""


@pytest.mark.parametrize(("text", "message"), REFUSED.values(), ids=REFUSED)
def test_a_line_that_pins_nothing_is_refused(text, message):
    """A line without version or hash stops, naming file, line and the command that refreshes."""
    with pytest.raises(LockError) as caught:
        Lock.parse(text, path="cpu.txt")

    assert message in str(caught.value)
    assert "wheelhouse call lock" in str(caught.value)


@pytest.mark.parametrize(("line", "found", "do"), ELSEWHERE.values(), ids=ELSEWHERE)
def test_a_line_that_no_lock_can_replace_says_the_way_on(line, found, do):
    """Running `lock` again would write the same: the message says what to change instead."""
    with pytest.raises(LockError) as caught:
        Lock.parse(line, path="cpu.txt")

    assert found in str(caught.value)
    assert do in str(caught.value)
    assert "wheelhouse call lock" not in str(caught.value)


@pytest.mark.parametrize(
    "line", [f"six @ {URL} \\\n  --hash={HASH}", f"six @ {URL}#{HASH.replace(':', '=')}"]
)
def test_a_wheel_by_url_is_a_pin(line):
    """Its name and version are those of the file, its hash is in the line; downloads name the URL."""
    lock = Lock.parse(line, path="cpu.txt")

    assert lock.text == f"six==1.17.0 --hash={HASH}\n"
    assert lock.downloads == f"six @ {URL} --hash={HASH}\n"


def test_a_project_without_dependencies_has_an_empty_lock():
    """`lock` writes an empty file for it, which is no mistake."""
    assert Lock.parse("# nothing\n", path="cpu.txt").pins == ()


def test_code_of_the_service_itself_needs_no_pin():
    """A member of a workspace that enters as a package is not asked for in the lock."""
    lock = Lock((), local=frozenset({"core-lib"}))

    check_fresh(lock, ["Core_Lib"], python="3.13", path="uv.lock")
    with pytest.raises(LockError):
        check_fresh(Lock(()), ["Core_Lib"], python="3.13", path="uv.lock")


STALE = {
    "absent": (["scipy"], "scipy not locked, scipy required"),
    "too old": (["numpy>=3"], "numpy 2.5.5 locked, numpy>=3 required"),
    "no requirement": (["numpy >> 2"], "not a valid requirement specifier"),
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


@pytest.mark.parametrize(
    ("package", "message"),
    [
        ('directory = { path = "libs/core" }', "'-e ./libs/core' is a folder"),
        ('vcs = { type = "git", url = "https://x.test/demo" }', "is a repository"),
        ("", "'demo==1' has no hash"),
    ],
)
def test_a_pylock_package_without_files_is_refused(package, message):
    """A folder or a repository in pylock.toml has no hash, so it cannot be installed by one."""
    text = f'[[packages]]\nname = "demo"\nversion = "1"\n{package}\n'

    with pytest.raises(LockError, match=message):
        Lock.parse_pylock(text, path="pylock.toml")


def test_a_pylock_archive_is_a_wheel_by_url():
    """PEP 751 has wheels by URL as archives."""
    digest = HASH.partition(":")[2]
    text = f'[[packages]]\nname = "six"\narchive = {{ url = "{URL}", hashes = {{ sha256 = "{digest}" }} }}\n'

    assert Lock.parse_pylock(text, path="pylock.toml").downloads == f"six @ {URL} --hash={HASH}\n"
