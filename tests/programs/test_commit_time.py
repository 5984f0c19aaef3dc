"""The time of a commit is read from a .git folder without git."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[2] / "pipeline" / "programs" / "commit_time.py"


def git(folder: Path, *words: str, at: int = 0) -> str:
    """Run git in a folder with fixed times and return what it prints."""
    who = {f"GIT_{role}_{part}": "t@t.test" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")}
    dates = {"GIT_AUTHOR_DATE": "@5 +0000", "GIT_COMMITTER_DATE": f"@{at} +0200"}
    environment = {**os.environ, **who, **dates, "GIT_CONFIG_GLOBAL": "/dev/null"}
    done = subprocess.run(
        ["git", "-C", str(folder), *words], check=True, capture_output=True, text=True, env=environment
    )
    return done.stdout.strip()


def program(folder: Path, commit: str) -> subprocess.CompletedProcess[str]:
    """Run the program on a work tree."""
    words = [sys.executable, str(PROGRAM), str(folder / ".git"), commit]
    return subprocess.run(words, capture_output=True, text=True, check=False)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Give a repository with two hundred files and two commits."""
    git(tmp_path, "init", "-q")
    for number, at in enumerate((1_700_000_000, 1_800_000_000)):
        for name in range(200):
            (tmp_path / f"{name}.txt").write_text(f"{name} {number}\n" * 50)
        git(tmp_path, "add", ".")
        git(tmp_path, "commit", "-q", "-m", "committer t <t@t> 1 +0000", at=at)
    return tmp_path


def test_loose_commit(repository: Path) -> None:
    """A fresh commit gives the committer's time, not the author's and not what its message says."""
    assert program(repository, git(repository, "rev-parse", "HEAD")).stdout == "1800000000\n"
    assert program(repository, git(repository, "rev-parse", "HEAD~1")).stdout == "1700000000\n"


def test_packed_commit(repository: Path, tmp_path: Path) -> None:
    """A shallow clone keeps its commit in a pack, which is read as well."""
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{repository}", str(clone))
    git(clone, "gc", "-q")
    head = git(clone, "rev-parse", "HEAD")
    assert not (clone / ".git" / "objects" / head[:2]).exists()
    assert program(clone, head).stdout == "1800000000\n"


def test_absent_commit(repository: Path) -> None:
    """A commit that is not there is one line of error."""
    done = program(repository, "0" * 40)
    assert done.returncode == 1
    assert done.stderr.startswith("error: no commit 000")
