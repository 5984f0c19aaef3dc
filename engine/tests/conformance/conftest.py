"""One session for all questions: of `--engine`, or of DAGGER_SESSION_PORT where it is set.

BASE names the image; it needs a shell, `stat`, `sleep` and Python 3.
"""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import dagger
import pytest
from dagger import dag

from engines import engine
from wheelhouse_engine.progress import SilentProgress
from wheelhouse_engine.session import Session

BASE = os.environ.get("BASE", "python:3.13-slim")


@pytest.fixture(scope="session")
def shared_session() -> Iterator[dict[str, str]]:
    """Give the variables of one session of Dagger for all tests: ending one takes it seconds."""
    if engine() != "dagger":
        yield {}
        return
    command = ["dagger", "session", "--label", "dagger.io/sdk.name:python"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdin
        answer = json.loads(process.stdout.readline())
        yield {"DAGGER_SESSION_PORT": str(answer["port"]), "DAGGER_SESSION_TOKEN": answer["session_token"]}
        process.stdin.close()


@pytest.fixture
async def client(shared_session: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """Connect the client to the engine under test."""
    for name, value in shared_session.items():
        monkeypatch.setenv(name, value)
    if os.environ.get("DAGGER_SESSION_PORT"):
        async with dagger.connection():
            yield
        return
    silent = SilentProgress(sys.stderr)
    async with Session.open(environ=dict(os.environ), workdir=Path.cwd(), progress=silent) as session:
        monkeypatch.setenv("DAGGER_SESSION_PORT", str(session.port))
        monkeypatch.setenv("DAGGER_SESSION_TOKEN", session.token)
        async with dagger.connection():
            yield


@pytest.fixture
def base(client: None) -> dagger.Container:  # noqa: ARG001 - the connection has to be there
    """Give a container of the base image."""
    return dag.container().from_(BASE)


@pytest.fixture
def fresh(base: dagger.Container) -> dagger.Container:
    """Give a container in which no exec ran before: nothing of it is cached."""
    return base.with_env_variable("FRESH", uuid.uuid4().hex)
