"""Repositories over ssh: which agent, which hosts, and what is run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from wheelhouse_engine.progress import SilentProgress
from wheelhouse_engine.session import Session

SSH = """#!/bin/sh
printf '%s\\n' "$SSH_AUTH_SOCK" "$@" >> {log}
for hosts in "$@"; do case "$hosts" in UserKnownHostsFile=*) cat "${{hosts#*=}}" >> {log};; esac; done
for last in "$@"; do :; done
exec sh -c "$last"
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Give a repository with one commit."""
    path = tmp_path / "r"
    path.mkdir()
    (path / "f").write_text("over ssh\n")
    for line in ("init -q -b main", "add f", "-c user.name=a -c user.email=a@b commit -qm m"):
        subprocess.run(["git", "-C", str(path), *line.split()], check=True)
    return path


async def test_ssh_gets_the_agent_and_only_the_given_hosts(repository: Path, tmp_path: Path) -> None:
    """Git runs ssh with the caller's agent and known hosts; nobody is asked, no other host is trusted."""
    program, log = tmp_path / "bin" / "ssh", tmp_path / "log"
    program.parent.mkdir()
    program.write_text(SSH.format(log=log))
    program.chmod(0o755)
    environ = {
        **os.environ,
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "SSH_AUTH_SOCK": "/run/agent",
        "WHEELHOUSE_STORE": str(tmp_path / "store"),
    }
    text = f'git(url: "ssh://git@host.test{repository}", sshKnownHosts: "host.test ssh-ed25519 AAAA")'
    query = f'{{ {text} {{ branch(name: "main") {{ tree {{ file(path: "f") {{ contents }} }} }} }} }}'
    silent = SilentProgress(sys.stderr)
    async with Session.open(environ=environ, workdir=tmp_path, progress=silent) as session:
        answer = await session.query(query)

    assert answer["git"]["branch"]["tree"]["file"]["contents"] == "over ssh\n"
    said = log.read_text().splitlines()
    assert {"/run/agent", "BatchMode=yes", "StrictHostKeyChecking=yes", "git@host.test"} <= set(said)
    assert "host.test ssh-ed25519 AAAA" in said
