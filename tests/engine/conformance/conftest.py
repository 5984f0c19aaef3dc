"""One session for all questions: of `--engine`, or of DAGGER_SESSION_PORT where it is set.

BASE names the image; it needs a shell, `stat`, `sleep` and Python 3.
"""

import os
import shutil
import sys
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import dagger
import pytest
from dagger import dag

from pipeline.engine.progress import SilentProgress
from pipeline.engine.session import Session
from tests.engines import engine

BASE = os.environ.get("BASE", "python:3.13-slim")


@pytest.fixture
async def client(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """Connect the client to the engine under test."""
    if program := shutil.which("dagger") if engine() == "dagger" else None:
        monkeypatch.setenv("_EXPERIMENTAL_DAGGER_CLI_BIN", program)
    if program or os.environ.get("DAGGER_SESSION_PORT"):
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
