"""Hostile wheels: each refused by name before anything is unpacked."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

PROGRAM = Path(__file__).parents[2] / "pipeline/programs/check_wheels.py"


def wheel(folder: Path, name: str = "demo", *, members=(), metadata=None, info=None) -> None:
    """Write a wheel of one module and these further (member, contents) pairs."""
    version = "1.0"
    info = info or f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{name}/__init__.py", f"NAME = {name!r}\n")
        archive.writestr(
            f"{info}/METADATA", metadata or f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
        for member, contents in members:
            archive.writestr(member, contents)


def check(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the program on a folder."""
    return subprocess.run([sys.executable, PROGRAM, folder], check=False, capture_output=True, text=True)


def test_honest_wheels_pass(tmp_path):
    """Two wheels that share an equal namespace file are fine."""
    wheel(tmp_path, "one", members=[("shared/__init__.py", "")])
    wheel(tmp_path, "two", members=[("shared/__init__.py", "")])

    assert check(tmp_path).returncode == 0


LINK = zipfile.ZipInfo("demo/link")
LINK.external_attr = 0o120777 << 16

HOSTILE = {
    "parent": ([("../evil.py", "x")], "member '../evil.py' points outside"),
    "inner parent": ([("demo/../../evil.py", "x")], "points outside"),
    "absolute": ([("/etc/evil", "x")], "member '/etc/evil' points outside"),
    "backslash": ([("..\\evil.py", "x")], "points outside"),
    "drive": ([("C:evil.py", "x")], "points outside"),
    "link": ([(LINK, "/etc/passwd")], "member 'demo/link' is a link or device"),
    "bomb": ([("demo/zeros", b"\0" * 20_000_000)], "at most 100:1 accepted"),
    "bomb of many": ([(f"demo/{n}", b"\0" * 1_000_000) for n in range(20)], "at most 100:1 accepted"),
    "configuration of the environment": (
        [("demo-1.0.data/data/pyvenv.cfg", "home = /tmp")],
        "would replace a part of the environment itself",
    ),
    "interpreter": ([("demo-1.0.data/scripts/python3", "#!/x")], "would replace a part of the environment"),
    "module of another through data": (
        [("demo-1.0.data/data/lib/python3.13/site-packages/other.py", "x")],
        "would replace a part of the environment",
    ),
    "twice": ([("demo/twice.py", "a"), ("demo/twice.py", "b")], "member 'demo/twice.py' is there 2 times"),
    "long name": ([("demo/" + "n" * 256, "x")], "has a name of 261 bytes"),
    "long path": ([("demo/" + "n/" * 600 + "x", "x")], "has a name of 1206 bytes"),
    "file and folder": ([("demo/a", "x"), ("demo/a/b.py", "x")], "member 'demo/a' is a file and a folder"),
    "second dist-info": ([("other-1.0.dist-info/METADATA", "Name: other")], "2 dist-info folders"),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(("members", "message"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_member_is_refused_by_name(tmp_path, members, message):
    """The finding names the wheel and the member."""
    wheel(tmp_path, members=members)

    result = check(tmp_path)

    assert result.returncode == 1
    assert "refused wheel demo-1.0-py3-none-any.whl: " in result.stderr
    assert message in result.stderr


def test_a_large_file_that_compresses_well_is_no_bomb(tmp_path):
    """A padded library and test data of zeros are in honest wheels: the whole archive is judged."""
    noise = os.urandom(1_000_000)
    wheel(tmp_path, members=[("demo/padded.so", b"\0" * 9_000_000), ("demo/lib.so", noise)])
    wheel(tmp_path, "small", members=[("small/zeros.bin", b"\0" * 2_000_000)])

    assert check(tmp_path).returncode == 0


def test_data_of_a_wheel_that_belongs_to_it_passes(tmp_path):
    """Scripts and files of share/ are what the data folder is for."""
    members = [("demo-1.0.data/data/share/demo.json", "{}"), ("demo-1.0.data/scripts/demo", "#!python")]
    wheel(tmp_path, members=members)

    assert check(tmp_path).returncode == 0


def test_an_encrypted_member_is_refused(tmp_path):
    """What cannot be read before it is unpacked is not unpacked."""
    wheel(tmp_path, members=[("demo/secret.py", "x")])
    path = next(tmp_path.glob("*.whl"))
    data = bytearray(path.read_bytes())
    entry = data.rindex(b"PK\x01\x02")
    data[entry + 8] |= 1
    path.write_bytes(data)

    assert "member 'demo/secret.py' is encrypted" in check(tmp_path).stderr


def test_members_that_overlap_are_refused(tmp_path):
    """A bomb that lists one packed stream many times is larger in its list than in its bytes."""
    wheel(tmp_path, members=[("demo/a.py", "x" * 9)])
    path = next(tmp_path.glob("*.whl"))
    data = bytearray(path.read_bytes())
    entry = data.rindex(b"PK\x01\x02")
    data[entry + 20 : entry + 24] = (100_000).to_bytes(4, "little")
    path.write_bytes(data)

    assert "its members overlap" in check(tmp_path).stderr


@pytest.mark.parametrize(
    "metadata", ["Name: other\nVersion: 1.0\n", "Name: demo\nVersion: 2.0\n", "Name: demo\n"]
)
def test_a_name_that_differs_from_the_metadata_is_refused(tmp_path, metadata):
    """A wheel is what its METADATA says, not what its file name says."""
    wheel(tmp_path, metadata=metadata)

    assert "its METADATA says" in check(tmp_path).stderr


def test_a_folder_of_another_distribution_is_refused(tmp_path):
    """The dist-info folder must carry the wheel's own name and version."""
    wheel(tmp_path, info="other-1.0.dist-info")

    assert "does not belong to demo 1.0" in check(tmp_path).stderr


@pytest.mark.parametrize("member", ["one/__init__.py", "two-1.0.data/purelib/one/__init__.py"])
def test_a_file_of_another_distribution_is_not_overwritten(tmp_path, member):
    """Two wheels that write one file with different bytes are refused, whatever the scheme."""
    wheel(tmp_path, "one")
    wheel(tmp_path, "two", members=[(member, "evil")])

    result = check(tmp_path)

    assert result.returncode == 1
    assert f"two-1.0-py3-none-any.whl: member {member!r} overwrites a file of one" in result.stderr


def test_a_file_that_is_no_zip_is_refused(tmp_path):
    """A broken download is named, without a traceback."""
    (tmp_path / "demo-1.0-py3-none-any.whl").write_bytes(b"<html>")

    result = check(tmp_path)

    assert "not a readable wheel" in result.stderr
    assert "Traceback" not in result.stderr


def test_every_finding_is_listed(tmp_path):
    """Two bad wheels are two lines."""
    wheel(tmp_path, "one", members=[("../a", "")])
    wheel(tmp_path, "two", members=[("../b", "")])

    assert len(check(tmp_path).stderr.splitlines()) == 2
