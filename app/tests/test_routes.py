"""Routes: OpenAI's /v1, and what the orchestrator asks."""

import base64
import struct

import pytest
from doubles import DIMENSIONS, until_ready


async def ask(client, **body):
    """Ask for embeddings."""
    return await client.post("/v1/embeddings", json=body)


async def test_embeddings_have_openai_s_shape(client):
    """One row per input, in order, with usage."""
    body = (await ask(client, input=["red wheel", "blue"], model="words")).json()

    assert [row["index"] for row in body["data"]] == [0, 1]
    assert {len(row["embedding"]) for row in body["data"]} == {DIMENSIONS}
    assert (body["object"], body["model"]) == ("list", "words")
    assert body["usage"] == {"prompt_tokens": 3, "total_tokens": 3}


@pytest.mark.parametrize(("given", "rows"), [("red", 1), (["red"], 1), ([1, 2], 1), ([[1], [2, 3]], 2)])
async def test_input_may_be_text_texts_ids_or_lists_of_ids(serving, given, rows):
    """The four shapes of OpenAI's API."""
    async with serving(vocabulary="model") as client:
        assert len((await ask(client, input=given)).json()["data"]) == rows


async def test_base64_holds_the_same_numbers(client):
    """encoding_format changes the writing only."""
    plain = (await ask(client, input="red")).json()["data"][0]["embedding"]
    packed = (await ask(client, input="red", encoding_format="base64")).json()["data"][0]["embedding"]

    assert list(struct.unpack(f"<{DIMENSIONS}f", base64.b64decode(packed))) == plain


async def test_dimensions_shorten_the_row(client):
    """The shortened row has norm 1."""
    row = (await ask(client, input="red", dimensions=5)).json()["data"][0]["embedding"]

    assert len(row) == 5
    assert sum(number * number for number in row) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "input"),
        ({"input": ""}, "input"),
        ({"input": []}, "input"),
        ({"input": [""]}, "input"),
        ({"input": [[]]}, "input"),
        ({"input": None}, "input"),
        ({"input": {"a": 1}}, "input"),
        ({"input": [True]}, "input"),
        ({"input": ["a", 1]}, "input"),
        ({"input": [1.5]}, "input"),
        ({"input": [[-1]]}, "input"),
        ({"input": ["a"] * 2049}, "input"),
        ({"input": "a" * 100_001}, "input"),
        ({"input": "a", "encoding_format": "hex"}, "encoding_format"),
        ({"input": "a", "dimensions": 0}, "dimensions"),
        ({"input": "a", "dimensions": DIMENSIONS + 1}, "dimensions"),
    ],
)
async def test_wrong_input_is_400_with_the_envelope(client, body, param):
    """The envelope names the parameter."""
    answer = await ask(client, **body)

    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["type"], error["param"]) == ("invalid_request_error", param)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"input": "\\ud800"}',
        b'{"input": ["\\udfff"]}',
        b'{"input": "\xff"}',
        b'{"input": ' + b"[" * 100_000,
        b'{"input": ' + b"1" * 5_000 + b"}",
        b'{"input": NaN}',
        b'{"input": "a", "model": "\\ud800"}',
        b'{"input": "a", "dimensions": Infinity}',
    ],
)
async def test_a_hostile_body_is_400_and_never_500(client, body):
    """Broken JSON, lone surrogates, deep nesting, huge numbers, NaN."""
    answer = await client.post("/v1/embeddings", content=body, headers={"content-type": "application/json"})

    assert answer.status_code == 400
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}


@pytest.mark.parametrize("text", ["\u0000", "\u202eabc", "a" + "\u0301" * 5_000, "\U0001f600"])
async def test_odd_but_legal_text_is_embedded(client, text):
    """NUL, right-to-left, combining marks, emoji."""
    assert (await ask(client, input=text)).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/nowhere", 404), ("GET", "/v1/embeddings", 405)]
)
async def test_an_unknown_path_or_method_has_the_envelope(client, method, path, status):
    """Clients parse one shape of error only."""
    answer = await client.request(method, path)

    assert answer.status_code == status
    assert answer.json()["error"]["code"] == f"http_{status}"


async def test_alive_is_not_ready(serving, embedder):
    """/ready is 503 until the warm-up inference is done; /health is 200 meanwhile."""
    embedder.gate.clear()
    async with serving(wait=False) as client:
        before = await client.get("/ready")
        assert (before.status_code, before.json()["status"]) == (503, "loading the model")
        assert (await client.get("/health")).status_code == 200
        assert (await ask(client, input="a")).status_code == 503
        embedder.gate.set()
        after = await until_ready(client)

    assert after.json() == {"status": "ready", "model": "words", "device": "test"}


async def test_metrics_count_requests_texts_and_tokens(client):
    """Prometheus finds the counters after one request."""
    await ask(client, input=["red wheel", "blue"])

    lines = (await client.get("/metrics")).text.splitlines()

    assert 'rag_requests_total{method="POST",route="/v1/embeddings",status="200"} 1.0' in lines
    assert "rag_embedded_texts_total 2.0" in lines
    assert "rag_embedded_tokens_total 3.0" in lines
    assert "rag_ready 1.0" in lines
