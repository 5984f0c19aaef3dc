"""An asset is accepted by the digest of its files, and is the same bytes each time."""

import subprocess
import sys
from pathlib import Path

from tests.programs.interpreters import PROGRAMS

WRITE = (
    "import sys, pathlib as p; p.Path(sys.argv[1], 'a').mkdir(); p.Path(sys.argv[1], 'a/b').write_text('x')"
)


def build(folder: Path, digest: str, code: str = WRITE) -> "subprocess.CompletedProcess[str]":
    """Run the program; its asset is folder/at."""
    at = folder / "at"
    command = [
        sys.executable,
        str(PROGRAMS / "build_asset.py"),
        "--at",
        str(at),
        "--out",
        str(folder / "out"),
    ]
    words = [*command, "--sha256", digest, "--", sys.executable, "-c", code, str(at)]
    return subprocess.run(words, check=False, capture_output=True, text=True)


def test_an_asset_without_digest_is_refused_with_the_digest(tmp_path):
    """The first build names what to write; with it, the same files are accepted."""
    first = build(tmp_path / "first", "")
    digest = first.stderr.partition('sha256 = "')[2][:64]
    second = build(tmp_path / "second", digest)

    assert first.returncode == 1
    assert "[tool.wheelhouse.assets.at] the 1 files made now have sha256" in first.stderr
    assert second.returncode == 0, second.stderr
    [placed] = [path for path in (tmp_path / "second/out").rglob("*") if path.is_file()]
    assert placed.read_text() == "x"
    assert (placed.stat().st_mode & 0o777, int(placed.stat().st_mtime)) == (0o644, 315532800)


def test_other_files_than_those_of_the_digest_are_refused(tmp_path):
    """What was replaced where it is downloaded from never enters an image."""
    digest = build(tmp_path / "first", "").stderr.partition('sha256 = "')[2][:64]
    other = build(tmp_path / "second", digest, WRITE.replace("'x'", "'y'"))

    assert other.returncode == 1
    assert f'expected "{digest}"' in other.stderr
    assert not (tmp_path / "second/out").exists()


def test_a_command_that_fails_or_writes_nothing_is_named(tmp_path):
    """An empty folder in the image would be found out at the first request only."""
    assert "exit status 3; expected files" in build(tmp_path / "a", "", "raise SystemExit(3)").stderr
    assert "no file in" in build(tmp_path / "b", "", "pass").stderr
