"""Observe: ids, counts and crashes."""

import pytest


async def test_a_request_id_is_echoed(client):
    """Logs of two services can be joined."""
    answer = await client.get("/health", headers={"x-request-id": "trace-1.a:b_c"})

    assert answer.headers["x-request-id"] == "trace-1.a:b_c"


@pytest.mark.parametrize("unsafe", ["", "a b", "a\tb", "é", "<x>", "a" * 129])
async def test_an_unsafe_request_id_is_replaced(client, unsafe):
    """Nothing that needs escaping enters a log."""
    answer = await client.get("/health", headers={"x-request-id": unsafe.encode()})

    assert len(answer.headers["x-request-id"]) == 32


async def test_refusals_carry_a_request_id_too(client):
    """A 404 can be traced."""
    assert len((await client.get("/nowhere")).headers["x-request-id"]) == 32


async def test_a_crash_is_500_in_the_envelope_and_says_nothing(client, caplog):
    """The cause is in the log, under the request's id, and not in the answer."""
    answer = await client.post("/search", json={"query": "crash"}, headers={"x-request-id": "r-1"})

    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal_error")
    assert "secret" not in answer.text
    assert "r-1" in caplog.text
    assert "a secret of the inside" in caplog.text


async def test_what_callers_invent_makes_no_time_series(client):
    """Unknown paths and methods share one label; ids in paths do not appear."""
    for path in ("/a", "/b", "/documents/1", "/documents/2"):
        await client.request("BREW", path)
        await client.delete(path)

    text = (await client.get("/metrics")).text

    assert 'rag_requests_total{method="other",route="other",status="404"} 2.0' in text
    assert 'method="DELETE",route="/documents/{document_id}",status="404"} 2.0' in text
    assert "BREW" not in text
