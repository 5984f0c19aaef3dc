"""What tags are made from is read out of a real git repository by either engine."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from engines import engine, wheelhouse

SCRIPT = """
import asyncio, sys, dagger
from pipeline.commits import git_state
async def main():
    async with dagger.connection():
        folder = dagger.dag.host().directory(sys.argv[1], no_cache=True)
        address = dagger.dag.address(sys.argv[1])
        for repository in (folder.as_git(), address.git_repository()):
            print(await git_state(repository, with_branch=True))
asyncio.run(main())
"""

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(
        engine() == "embedded" and (shutil.which("buildah") is None or os.geteuid() != 0),
        reason="needs buildah and root",
    ),
]


def git(folder: Path, *words: str) -> None:
    """Run git in a folder."""
    who = ["-c", "user.name=t", "-c", "user.email=t@t.test"]
    subprocess.run(["git", "-C", str(folder), *who, *words], check=True, capture_output=True)


def state(folder: Path) -> str:
    """Return the state that the engine finds, the same for a directory and for its address."""
    command = wheelhouse("run", sys.executable, "-c", SCRIPT, str(folder))
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    handed_over, addressed = [line for line in done.stdout.splitlines() if line.startswith("GitState")]
    assert handed_over == addressed
    return addressed


def test_tags_branch_and_changes_are_found(tmp_path: Path) -> None:
    """Annotated tags at HEAD, every known tag, the branch and uncommitted changes are told apart."""
    git(tmp_path, "init", "-q", "-b", "main")
    (tmp_path / "a").write_text("1")
    git(tmp_path, "add", "a")
    git(tmp_path, "commit", "-q", "-m", "one")
    git(tmp_path, "tag", "v1.0.0")
    (tmp_path / "a").write_text("2")
    git(tmp_path, "commit", "-q", "-a", "-m", "two")
    git(tmp_path, "tag", "-a", "v1.1.0", "-m", "annotated")
    clean = state(tmp_path)
    assert "tags=('v1.1.0',), known=('v1.0.0', 'v1.1.0'), branch='main', dirty=False" in clean
    (tmp_path / ".git/info/exclude").write_text("ignored\n")
    (tmp_path / "ignored").write_text("does not count")
    assert state(tmp_path) == clean
    dirty = clean.replace("dirty=False", "dirty=True")
    (tmp_path / "a").write_text("3")
    assert state(tmp_path) == dirty
    git(tmp_path, "checkout", "-q", "a")
    (tmp_path / "new").write_text("")
    assert state(tmp_path) == dirty
