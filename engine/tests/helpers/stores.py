"""Stores of their own for tests that damage, fill or prune one, and the smallest root that runs a shell."""

import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import dagger
import pytest
from dagger import dag

from wheelhouse_engine.progress import SilentProgress
from wheelhouse_engine.session import Session

PROGRAMS = ("/bin/sh", "/bin/cat", "/usr/bin/head")


@contextlib.asynccontextmanager
async def connected(store: Path, **environ: str) -> AsyncIterator[Session]:
    """Give a session on a store of its own, with the client connected to it."""
    silent = SilentProgress(sys.stderr)
    given = {**os.environ, "WHEELHOUSE_STORE": str(store), **environ}
    with pytest.MonkeyPatch.context() as patch:
        async with Session.open(environ=given, workdir=Path.cwd(), progress=silent) as session:
            patch.setenv("DAGGER_SESSION_PORT", str(session.port))
            patch.setenv("DAGGER_SESSION_TOKEN", session.token)
            async with dagger.connection():
                yield session


@contextlib.contextmanager
def unmounted(store: Path) -> Iterator[Path]:
    """Give a store; the mounts that buildah's overlay driver leaves in it go at the end."""
    try:
        yield store
    finally:
        for point in store.glob("*/storage/overlay"):
            subprocess.run(["umount", str(point)], check=False, capture_output=True)


def tiny() -> dagger.Container:
    """Give a container of this machine's shell and what it is linked with: 3 MB, no image needed."""
    folder = dag.directory()
    for name in sorted(_needed()):
        folder = folder.with_file(name, dag.host().file(name))
    return dag.container().with_rootfs(folder)


def _needed() -> set[str]:
    linked = subprocess.run(["ldd", *PROGRAMS], check=True, capture_output=True, text=True).stdout
    return {*PROGRAMS, *(word for word in linked.split() if word.startswith("/") and word[-1] != ":")}
