"""What the caller's environment says reaches the engine, also where module code must not see it."""

import os
import sys

import pytest

from wheelhouse_engine.cli.environment import module_environment
from wheelhouse_engine.errors import EngineError
from wheelhouse_engine.imageconfig import ImageError
from wheelhouse_engine.progress import SilentProgress
from wheelhouse_engine.session import Session


async def test_the_mirror_is_the_one_of_the_caller(tmp_path, monkeypatch):
    """`wheelhouse call` clears its own environment for the module; the mirror still counts."""
    environ = {**os.environ, "WHEELHOUSE_STORE": str(tmp_path / "store")}
    environ["WHEELHOUSE_REGISTRY_MIRROR"] = "127.0.0.1:1"
    monkeypatch.delenv("WHEELHOUSE_REGISTRY_MIRROR", raising=False)
    silent = SilentProgress(sys.stderr)
    async with Session.open(environ=environ, workdir=tmp_path, progress=silent) as session:
        with pytest.raises((ImageError, EngineError), match=r"registry 127\.0\.0\.1:1 does not answer"):
            await session.query('{ container { from(address: "alpine:3") { id sync } } }')


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "NO_PROXY"])
def test_a_proxy_is_the_one_of_the_caller(name):
    """The tools that pull images inherit the environment of the command."""
    assert module_environment({name: "http://proxy.test:3128"})[name] == "http://proxy.test:3128"
