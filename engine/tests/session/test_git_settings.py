"""Repositories of others: what their settings name is never run."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from wheelhouse_engine.cli.remote import Remote, local_copy
from wheelhouse_engine.progress import SilentProgress
from wheelhouse_engine.session import Session

NOBODY = 65534


def git(folder: Path, *words: str) -> str:
    """Run git and return what it prints."""
    who = ["-c", "user.name=t", "-c", "user.email=t@t"]
    ran = subprocess.run(["git", "-C", str(folder), *who, *words], check=True, capture_output=True, text=True)
    return ran.stdout.strip()


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """Give a repository of another user whose settings run a program wherever git knows of one."""
    folder = tmp_path / "hostile"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    (folder / ".gitattributes").write_text("* filter=evil diff=evil\n")
    (folder / "f").write_text("text\n")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "one")
    git(folder, "tag", "v1.0.0")
    (folder / "f").write_text("changed\n")
    program = tmp_path / "evil"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran-$1\ncat\n")
    program.chmod(0o755)
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for name in ("post-checkout", "reference-transaction", "post-index-change", "fsmonitor-watchman"):
        (hooks / name).write_text(program.read_text())
        (hooks / name).chmod(0o755)
    (tmp_path / "more").write_text(f"[core]\n\talternateRefsCommand = {program} included\n")
    for name, value in {
        "core.fsmonitor": f"{program} monitor",
        "core.hooksPath": str(hooks),
        "core.sshCommand": f"{program} ssh",
        "core.pager": f"{program} pager",
        "filter.evil.clean": f"{program} clean",
        "filter.evil.smudge": f"{program} smudge",
        "filter.evil.process": f"{program} process",
        "filter.evil.required": "true",
        "diff.evil.textconv": f"{program} textconv",
        "credential.helper": f"!{program} credential",
        "gpg.program": str(program),
        "uploadpack.packObjectsHook": f"{program} pack",
        "include.path": str(tmp_path / "more"),
    }.items():
        git(folder, "config", name, value)
    for path in (folder, *folder.rglob("*")):
        os.lchown(path, NOBODY, NOBODY)
    (tmp_path / "ran-monitor").unlink(missing_ok=True)
    return folder


def ran(folder: Path) -> list[str]:
    """Return which settings had their program run."""
    return sorted(path.name for path in folder.glob("ran-*"))


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], object]:
    """Return a function that asks a session started in the test's folder."""
    monkeypatch.setenv("WHEELHOUSE_STORE", str(tmp_path / "store"))

    async def asked(query: str) -> object:
        silent = SilentProgress(sys.stderr)
        async with Session.open(environ=dict(os.environ), workdir=tmp_path, progress=silent) as session:
            return await session.query(query)

    return asked


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give files away")
@pytest.mark.parametrize(
    "repository",
    [
        'host { directory(path: "hostile") { asGit { %s } } }',
        'address(value: "./hostile") { gitRepository { %s } }',
        'git(url: "file://FOLDER/hostile") { %s }',
    ],
)
@pytest.mark.usefixtures("hostile")
async def test_settings_of_a_repository_run_nothing(tmp_path, ask, repository):
    """Commits, tags and uncommitted changes of another user's repository are read without its programs."""
    local = "git(" not in repository
    fields = 'tags branch(name: "main") { commit tree { file(path: "f") { contents } } } '
    fields += "uncommitted { modifiedPaths }" if local else ""

    text = str(await ask("{ " + (repository % fields).replace("FOLDER", str(tmp_path)) + " }"))

    assert ran(tmp_path) == []
    assert "'tags': ['v1.0.0']" in text
    assert "'contents': 'text\\n'" in text
    assert ("'modifiedPaths': ['f']" in text) is local


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give files away")
def test_settings_of_the_repository_around_a_command_run_nothing(hostile, tmp_path, monkeypatch):
    """The commit of a fetched module is taken from the clone around the command, and nothing else is."""
    monkeypatch.setenv("WHEELHOUSE_STORE", str(tmp_path / "store"))
    commit = (hostile / ".git/refs/heads/main").read_text().strip()

    copy = local_copy(f"github.com/nobody/nothing@{commit}", hostile)

    assert Remote.parse(f"github.com/nobody/nothing@{commit}").is_commit
    assert (copy / "f").read_text() == "text\n"
    assert ran(tmp_path) == []


async def test_an_option_is_not_taken_for_an_address(ask, tmp_path):
    """An address or a pattern that begins with a dash starts no program."""
    for url in (f"--upload-pack=touch {tmp_path}/ran-option;", "ext::sh -c touch% ran-ext"):
        with pytest.raises(Exception, match=r"expected a URL|not allowed"):
            await ask(f'{{ git(url: "{url}") {{ tags }} }}')

    assert ran(tmp_path) == []


async def test_a_directory_leads_to_no_repository_outside(ask, tmp_path):
    """A .git file that points out of a directory of the graph is not followed."""
    outside = tmp_path / "outside"
    outside.mkdir()
    git(outside, "init", "-q")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / ".git").write_text(f"gitdir: {outside}/.git\n")

    with pytest.raises(Exception, match="not a git repository"):
        await ask('{ host { directory(path: "folder") { asGit { tags } } } }')
