"""A session can be reached, and costs nothing while nobody comes."""

import asyncio
import json

import httpx
import pytest

from wheelhouse_engine import server
from wheelhouse_engine.listening import Answer, listen


async def answer(text: str) -> Answer:
    """Give the query back."""
    return {"data": text}


async def asked(port: int, token: str, text: str) -> dict[str, str]:
    """Send one query."""
    async with httpx.AsyncClient(auth=(token, "")) as client:
        said = await client.post(f"http://127.0.0.1:{port}/query", content=json.dumps({"query": text}))
        body: dict[str, str] = said.json()
        return body


async def test_clients_that_come_at_once_are_all_answered():
    """The first connections find no server yet; it starts for them, once."""
    async with listen(answer) as (port, token):
        said = await asyncio.gather(*(asked(port, token, f"{{ q{n} }}") for n in range(8)))

    assert [one["data"] for one in said] == [f"{{ q{n} }}" for n in range(8)]


async def test_no_server_starts_for_nobody(monkeypatch: pytest.MonkeyPatch):
    """Without a client there is nothing to load and nothing to end."""
    monkeypatch.delattr(server, "serve")

    async with listen(answer) as (port, _):
        assert port


async def test_the_port_is_closed_at_the_end():
    """A session that is over refuses connections, whether it was asked or not."""
    ports = []
    for comes in (False, True):
        async with listen(answer) as (port, token):
            ports.append(port)
            if comes:
                await asked(port, token, "{ q }")

    for port in ports:
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
