"""Spec of root filesystems made from Debian packages."""

import io
import tarfile
from pathlib import Path

import pytest

from wheelhouse_engine.debian import LABEL, finish_script, installed, make_root, mmdebstrap_command
from wheelhouse_engine.imageconfig import ImageError
from wheelhouse_engine.runner import Call, Completed, ProcessRunner, RecordingRunner
from wheelhouse_engine.standins import StandIn

SLIM = StandIn("trixie", slim=True, python="3.13")
STATUS = """Package: python3.13
Status: install ok installed
Version: 3.13.5-2+deb13u1

Package: libc6
Version: 2.41-12

"""


def fake_mmdebstrap(call: Call) -> Completed:
    """Write a root tar that has only the list of its packages."""
    with tarfile.open(call.argv[-1], "w") as tar:
        member = tarfile.TarInfo("./var/lib/dpkg/status")
        member.size = len(STATUS)
        tar.addfile(member, io.BytesIO(STATUS.encode()))
    return Completed(
        0, b"", b"I: running apt-get update...\nI: running --setup-hook in shell: sh\nrm -f x\nI: do"
    )


async def test_a_root_says_what_it_is_made_of(tmp_path):
    """Labels name release and package set, the environment names the Python version."""
    root = await make_root(RecordingRunner({("mmdebstrap",): fake_mmdebstrap}), SLIM, tmp_path, print)

    assert root.python_version == "3.13.5"
    assert root.config.env == (
        "PATH=/usr/local/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG=C.UTF-8",
        "PYTHON_VERSION=3.13.5",
    )
    assert root.config.cmd == ("python3",)
    assert root.config.labels[LABEL] == "stand-in"
    assert root.config.labels[f"{LABEL}.suite"] == "trixie"
    assert root.config.labels[f"{LABEL}.packages"].startswith("sha256:")


async def test_the_clock_of_the_build_is_fixed(tmp_path):
    """Mmdebstrap gets a fixed SOURCE_DATE_EPOCH and a neutral locale."""
    runner = RecordingRunner({("mmdebstrap",): fake_mmdebstrap})
    await make_root(runner, SLIM, tmp_path, print)
    env = runner.calls[0].env or {}

    assert (env["SOURCE_DATE_EPOCH"], env["LC_ALL"]) == ("1735689600", "C.UTF-8")


async def test_progress_is_whole_lines_of_steps(tmp_path):
    """Steps are told line by line; the text of hooks is not."""
    lines: list[str] = []
    await make_root(RecordingRunner({("mmdebstrap",): fake_mmdebstrap}), SLIM, tmp_path, lines.append)

    assert lines == ["running apt-get update..."]


async def test_a_machine_without_mmdebstrap_says_how_to_get_it(tmp_path):
    """A missing program is named with the line that installs it, and no draft is left."""

    def missing(_call: Call) -> Completed:
        raise FileNotFoundError("mmdebstrap")

    with pytest.raises(ImageError, match=r"mmdebstrap is not installed.*`apt-get install mmdebstrap`"):
        await make_root(RecordingRunner({("mmdebstrap",): missing}), SLIM, tmp_path, print)

    assert not list(tmp_path.glob(".tmp-*"))


async def test_a_failed_bootstrap_quotes_its_error_lines(tmp_path):
    """Of all that mmdebstrap prints, the errors are in the message."""
    failed = Completed(25, b"", b"I: running apt-get update...\nE: apt-get update failed: no network\n")
    with pytest.raises(
        ImageError, match=r"python-3.13-trixie-slim cannot be made: E: apt-get update failed: no net"
    ):
        await make_root(RecordingRunner({("mmdebstrap",): failed}), SLIM, tmp_path, print)

    assert not list(tmp_path.glob(".tmp-*"))


@pytest.mark.parametrize(("uid", "mode"), [(0, "--mode=root"), (1000, "--mode=unshare")])
def test_the_mode_follows_the_user(monkeypatch, uid, mode):
    """Root needs no user namespace; everyone else gets one."""
    monkeypatch.setattr("os.geteuid", lambda: uid)

    assert mode in mmdebstrap_command(SLIM, Path("/t.tar"), Path("/debs"))


def test_documentation_is_left_out_of_slim_images_only():
    """Dpkg keeps copyright files and no manuals in slim images, by the rules that the official image has."""
    slim = " ".join(mmdebstrap_command(SLIM, Path("/t.tar"), Path("/debs")))
    full = " ".join(mmdebstrap_command(StandIn("trixie", slim=False), Path("/t.tar"), Path("/debs")))

    assert "path-exclude /usr/share/man/*" in slim
    assert slim.index("path-exclude /usr/share/doc/*") < slim.index("path-include /usr/share/doc/*/copyright")
    assert "path-exclude" not in full
    assert "--extract-hook" not in full


async def test_what_was_only_unpacked_is_thinned_like_the_rest(tmp_path: Path):
    """Of the first packages, too, only the copyright files of the documentation stay."""
    for name in (
        "doc/dpkg/copyright",
        "doc/dpkg/README",
        "man/man1/dpkg.1.gz",
        "locale/de/x.mo",
        "perl5/x.pm",
    ):
        path = tmp_path / "usr/share" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    command = mmdebstrap_command(SLIM, Path("/t.tar"), Path("/debs"))
    [hook] = [word.partition("=")[2] for word in command if word.startswith("--extract-hook=")]
    done = await ProcessRunner().run(["sh", "-c", hook, "exec", str(tmp_path)])

    assert (done.returncode, done.error_text) == (0, "")
    left = sorted(
        str(path.relative_to(tmp_path / "usr/share")) for path in tmp_path.rglob("*") if path.is_file()
    )
    assert left == ["doc/dpkg/copyright", "perl5/x.pm"]


def test_a_cache_folder_with_spaces_is_one_word():
    """Hooks are shell text, so a path in them is quoted."""
    command = mmdebstrap_command(SLIM, Path("/t.tar"), Path("/my cache/$(id)"))

    assert "--setup-hook=sync-in '/my cache/$(id)' /var/cache/apt/archives" in command


async def test_the_finishing_lines_are_legal_shell():
    """The shell reads the lines without an error."""
    for stand_in in (SLIM, StandIn("bookworm", slim=False)):
        done = await ProcessRunner().run(["sh", "-n"], input=finish_script(stand_in).encode())
        assert (done.returncode, done.error_text) == (0, "")


def test_installed_packages_are_read_from_the_tar(tmp_path):
    """Package names and versions come from dpkg's own list."""
    fake_mmdebstrap(Call(("mmdebstrap", str(tmp_path / "t.tar"))))

    assert installed(tmp_path / "t.tar") == {"python3.13": "3.13.5-2+deb13u1", "libc6": "2.41-12"}
