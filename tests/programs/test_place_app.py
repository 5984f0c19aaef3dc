"""The application's layers: an edit ships one share, modes and links do not come from the checkout."""

import gzip
import marshal
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

PROGRAM = Path(__file__).parents[2] / "pipeline/programs/place_app.py"
SERVICE = Path(__file__).parents[2] / "app/rag"
UNCHECKED = b"\x01\0\0\0"
"""Flags of bytecode that names its source by hash and never looks at it (PEP 552)."""


@pytest.fixture
def source(tmp_path):
    """Copy the reference service as the source of an image."""
    shutil.copytree(SERVICE, tmp_path / "in/rag", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "in"


def place(source: Path, out: Path) -> subprocess.CompletedProcess[str]:
    """Run the program."""
    command = [
        sys.executable,
        "-X",
        "no_debug_ranges",
        *map(str, (PROGRAM, "--source", source, "--out", out)),
        "--at",
        "/srv/app",
    ]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def contents(out: Path) -> dict[str, bytes]:
    """Return every file below a folder."""
    return {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", ["__init__.py", "local.py", "routes.py"])
def test_an_edited_line_changes_one_share(source, tmp_path, name):
    """Of fourteen shares thirteen keep every byte, bytecode included, whatever new names the edit brings."""
    assert place(source, tmp_path / "one").returncode == 0
    with (source / "rag" / name).open("a") as module:
        module.write('NEW = {"status": "a text", "other": (1, 2, "status")}\n')

    assert place(source, tmp_path / "two").returncode == 0

    one, two = contents(tmp_path / "one"), contents(tmp_path / "two")
    changed = {path.partition("/")[0] for path in one if one[path] != two[path]}
    assert len(list((tmp_path / "one").iterdir())) == 14
    assert one.keys() == two.keys()
    assert len(changed) == 1


def test_shares_are_about_equal(source, tmp_path):
    """The largest module lies alone; compressed no other share is larger by more than a fifth."""
    place(source, tmp_path / "out")

    largest = max((source / "rag").glob("*.py"), key=lambda path: path.stat().st_size)
    shares = {path: packed_bytes(path) for path in (tmp_path / "out").iterdir()}
    (alone,) = (path for path in shares if (path / "rag" / largest.name).exists())
    assert len(list(alone.rglob("*.py"))) == 1
    assert max(shares.values()) <= 1.2 * shares[alone]


def packed_bytes(share: Path) -> int:
    """Return the size of a share's files, compressed together."""
    files = sorted(contents(share).items())
    return len(gzip.compress(b"".join(content for _, content in files)))


def test_a_trace_needs_no_columns(source, tmp_path):
    """Bytecode says the line of an instruction, not where in the line: a fifth of its bytes."""
    place(source, tmp_path / "out")

    (compiled,) = (tmp_path / "out").glob("*/rag/__pycache__/local.*.pyc")
    code = marshal.loads(compiled.read_bytes()[16:])  # noqa: S302 - made above
    lines, _, columns, _ = map(set, zip(*code.co_positions(), strict=True))
    assert len(lines) > 20
    assert columns == {None}


def test_every_module_has_bytecode_that_needs_no_time(source, tmp_path):
    """Bytecode lies in its source's share, names it as the image will, and is never checked again."""
    place(source, tmp_path / "out")

    for path in (tmp_path / "out").glob("*/rag/*.py"):
        (compiled,) = path.parent.glob(f"__pycache__/{path.stem}.*.pyc")
        assert compiled.read_bytes()[4:8] == UNCHECKED
        assert f"/srv/app/rag/{path.name}".encode() in compiled.read_bytes()


def test_a_small_service_is_one_share(tmp_path):
    """Two modules do not make two layers."""
    (tmp_path / "in/demo").mkdir(parents=True)
    for name in ("__init__.py", "__main__.py"):
        (tmp_path / "in/demo" / name).write_text("")

    place(tmp_path / "in", tmp_path / "out")

    assert [path.name for path in (tmp_path / "out").iterdir()] == ["00"]


def test_modes_of_the_checkout_do_not_reach_the_image(source, tmp_path):
    """Files are 0644, 0755 where someone may execute them; folders are 0755."""
    (source / "rag/cpus.py").chmod(0o600)
    (source / "rag/main.py").chmod(0o700)
    (source / "rag").chmod(0o700)

    place(source, tmp_path / "out")

    modes = {path.name: path.stat().st_mode & 0o7777 for path in (tmp_path / "out").rglob("*")}
    assert (modes["rag"], modes["cpus.py"], modes["main.py"]) == (0o755, 0o644, 0o755)


def test_a_link_that_leaves_the_source_is_refused(source, tmp_path):
    """A link to a file of the builder is named, and nothing is placed."""
    (source / "rag/shadow").symlink_to("/etc/shadow")

    result = place(source, tmp_path / "out")

    assert result.returncode == 1
    assert "links that leave the source: rag/shadow" in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_module_that_does_not_compile_is_named(source, tmp_path):
    """A syntax error stops the build with the file and the line."""
    (source / "rag/cpus.py").write_text("def broken(:\n")

    result = place(source, tmp_path / "out")

    assert result.returncode == 1
    assert 'File "/srv/app/rag/cpus.py", line 1' in result.stderr
