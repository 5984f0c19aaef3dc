"""A plan starts no process; what the store has from an earlier run it knows."""

import os
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest

from wheelhouse_engine.progress import SilentProgress
from wheelhouse_engine.session import Session

from .conftest import BASE

pytestmark = pytest.mark.engine

QUERY = """{ container { from(address: "%s") { withNewFile(path: "/in", contents: "%s") {
  withExec(args: ["sh", "-c", "cat /in > /out; echo said"]) {
    stdout exitCode directory(path: "/") { file(path: "out") { contents } } } } } } }"""


async def ask(query: str, *, plan: bool) -> tuple[dict[str, Any], list[str]]:
    """Ask in a session of its own; return what the exec gave, and which fields were guessed."""
    silent = SilentProgress(sys.stderr)
    opening = Session.open(environ=dict(os.environ), workdir=Path.cwd(), progress=silent, plan=plan)
    async with opening as session:
        data = await session.query(query)
        return data["container"]["from"]["withNewFile"]["withExec"], [op.field for op in session.guessed]


async def test_a_plan_knows_what_was_made_and_guesses_the_rest() -> None:
    """Before a run every answer of a container is empty and said to be; after it each is the real one."""
    mark = uuid.uuid4().hex
    query = QUERY % (BASE, mark)
    before, guessed = await ask(query, plan=True)
    assert before == {"stdout": "", "exitCode": 0, "directory": {"file": {"contents": ""}}}
    assert sorted(guessed) == ["contents", "exitCode", "stdout"]

    real, _ = await ask(query, plan=False)
    assert real == {"stdout": "said\n", "exitCode": 0, "directory": {"file": {"contents": mark}}}

    assert await ask(query, plan=True) == (real, [])
