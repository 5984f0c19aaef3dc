"""The quick form of stress.py, and many clients at once."""

import asyncio
import importlib.util
import json
from pathlib import Path

import httpx
import pytest

from wheelhouse_engine.session import Session

pytestmark = pytest.mark.engine

SCRIPT = Path(__file__).parents[1] / "stress.py"


def test_kills_survive() -> None:
    """After kill -9 of any part a clean run gives the same digests and leaves nothing."""
    spec = importlib.util.spec_from_file_location("stress", SCRIPT)
    assert spec
    assert spec.loader
    stress = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(stress)

    for one, wanted in stress.rounds(len(stress.VICTIMS)):
        assert wanted.startswith("sha256:")
        assert (one.digests, one.left) == (wanted, ())


async def test_two_hundred_queries_at_once(session: Session) -> None:
    """Each of 200 clients at once gets its own answer."""
    url = f"http://127.0.0.1:{session.port}/query"
    limits = httpx.Limits(max_connections=200)
    async with httpx.AsyncClient(
        trust_env=False, timeout=120, limits=limits, auth=(session.token, "")
    ) as client:

        async def ask(number: int) -> str:
            text = f'{{ directory {{ withNewFile(path: "f{number}", contents: "x") {{ entries }} }} }}'
            answer = await client.post(url, content=json.dumps({"query": text}))
            return str(answer.json()["data"]["directory"]["withNewFile"]["entries"][0])

        answers = await asyncio.gather(*(ask(number) for number in range(200)))

    assert answers == [f"f{number}" for number in range(200)]
