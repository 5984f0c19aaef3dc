"""Limits: what a request may cost before it is parsed."""

import asyncio

import pytest

JSON = {"content-type": "application/json"}


async def test_a_declared_length_over_the_cap_is_413(serving):
    """Content-Length alone is enough; nothing is read."""

    async def body():
        raise AssertionError("the body was read")
        yield b""

    async with serving(max_body_bytes=1000) as client:
        answer = await client.post("/search", content=body(), headers={**JSON, "content-length": "1001"})

    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body_too_large")


async def test_streamed_bytes_over_the_cap_are_413(serving):
    """A body without a length is stopped at the first byte too many."""
    sent = []

    async def body():
        for _ in range(100):
            sent.append(400)
            yield b"x" * 400

    async with serving(max_body_bytes=1000) as client:
        answer = await client.post("/search", content=body(), headers=JSON)

    assert answer.status_code == 413
    assert sum(sent) <= 1600


async def test_a_body_of_exactly_the_cap_is_read(serving):
    """The cap itself is allowed."""
    text = b'{"query": "' + b"a" * (1000 - 13) + b'"}'
    async with serving(max_body_bytes=1000) as client:
        answer = await client.post("/search", content=text, headers=JSON)

    assert (len(text), answer.status_code) == (1000, 200)


async def test_a_slow_body_is_408(serving):
    """The deadline is for the whole body: trickling does not extend it."""

    async def body():
        while True:
            yield b" "
            await asyncio.sleep(0.02)

    async with serving(body_timeout_s=0.1) as client:
        answer = await client.post("/search", content=body(), headers=JSON)

    assert (answer.status_code, answer.json()["error"]["code"]) == (408, "request_timeout")


async def test_over_the_cap_of_slots_is_429_with_retry_after(serving, embedder):
    """The request beyond the last slot is refused at once; the others are answered."""
    async with serving(max_concurrent=2) as client:
        embedder.gate.clear()
        taken = [asyncio.create_task(client.post("/search", json={"query": "a"})) for _ in range(2)]
        await embedder.crowd.wait()
        refused = await client.post("/search", json={"query": "a"})
        alive = await client.get("/health")
        embedder.gate.set()
        answered = [(await task).status_code for task in taken]
        again = await client.post("/search", json={"query": "a"})

    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
    assert (alive.status_code, answered, again.status_code) == (200, [200, 200], 200)


async def test_slow_senders_take_no_slot(serving):
    """While one body trickles in, the only slot serves others."""
    hold, begun = asyncio.Event(), asyncio.Event()

    async def body():
        yield b'{"query": '
        begun.set()
        await hold.wait()
        yield b'"a"}'

    async with serving(max_concurrent=1) as client:
        slow = asyncio.create_task(client.post("/search", content=body(), headers=JSON))
        await begun.wait()
        other = await client.post("/search", json={"query": "b"})
        hold.set()

    assert (other.status_code, (await slow).status_code) == (200, 200)


async def test_bodies_held_at_once_are_capped(serving):
    """Many half-sent bodies cannot fill the memory."""
    hold, begun = asyncio.Event(), asyncio.Event()

    async def body():
        yield b" " * 900
        begun.set()
        await hold.wait()
        yield b'{"query": "a"}'

    async with serving(max_buffered_bytes=1000) as client:
        slow = asyncio.create_task(client.post("/search", content=body(), headers=JSON))
        await begun.wait()
        refused = await client.post("/search", content=b" " * 200, headers=JSON)
        hold.set()
        assert (await slow).status_code == 200
        after = await client.post("/search", json={"query": "b"})

    assert (refused.status_code, after.status_code) == (429, 200)


@pytest.mark.parametrize(
    "header",
    [{}, {"authorization": "Bearer wrong"}, {"authorization": "Basic sk-1"}, {"authorization": "sk-1"}],
)
async def test_a_missing_or_wrong_key_is_401(serving, tmp_path, header):
    """With API_KEY_FILE set, callers need the key."""
    (tmp_path / "key").write_text("sk-1")
    async with serving(api_key_file=tmp_path / "key") as client:
        answer = await client.post("/search", json={"query": "a"}, headers=header)

    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


async def test_the_right_key_is_let_in(serving, tmp_path):
    """The orchestrator's paths need no key."""
    (tmp_path / "key").write_text("sk-1")
    async with serving(api_key_file=tmp_path / "key") as client:
        answer = await client.post("/search", json={"query": "a"}, headers={"authorization": "Bearer sk-1"})
        health = await client.get("/health")

    assert (answer.status_code, health.status_code) == (200, 200)
