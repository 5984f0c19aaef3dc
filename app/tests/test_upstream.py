"""Upstream: its failures become ours without its words."""

import pytest
from doubles import Script
from processes import free_port
from rag.errors import NotReadyError, UpstreamBusyError, UpstreamError, UpstreamTimeoutError
from rag.metrics import Metrics
from rag.settings import Settings
from rag.upstream import Upstream, UpstreamEmbedder

LEAK = b'{"error": "sk-upstream is not allowed to see invoices"}'


@pytest.fixture
async def calling(upstream: Script, tmp_path):
    """Give an Upstream that calls the script with a key."""
    (tmp_path / "key").write_text("sk-upstream\n")
    settings = Settings(upstream_url=upstream.url, upstream_key_file=tmp_path / "key")
    made = Upstream(settings, Metrics())
    yield made
    await made.aclose()


async def test_embeddings_come_in_order_and_with_norm_1(calling):
    """The upstream's order and length of rows are put right."""
    made = await calling.embed(["a", "abc"])

    assert made.tokens == 7
    assert made.vectors[0].tolist() == pytest.approx([3 / 26**0.5, 4 / 26**0.5, 1 / 26**0.5])
    assert made.vectors[1][2] > made.vectors[0][2]


async def test_the_key_is_sent_as_bearer(calling, upstream):
    """The key comes from the file, without its line end."""
    await calling.embed(["a"])

    assert upstream.keys == ["Bearer sk-upstream"]


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (429, UpstreamBusyError),
        (400, UpstreamError),
        (401, UpstreamError),
        (500, UpstreamError),
        (302, UpstreamError),
    ],
)
async def test_a_refusal_shows_neither_body_nor_key(calling, upstream, status, error):
    """What the upstream says stays inside."""
    upstream.status, upstream.body = status, LEAK

    with pytest.raises(error) as caught:
        await calling.embed(["a"])
    assert "sk-upstream" not in caught.value.message
    assert "invoices" not in caught.value.message


@pytest.mark.parametrize(
    ("sent", "passed"), [("7", 7), ("99999", 3600), ("soon", 1), ("-5", 1), ("1" * 400, 1)]
)
async def test_retry_after_is_passed_on_when_it_is_sane(calling, upstream, sent, passed):
    """Only a plain number of seconds, an hour at most."""
    upstream.status, upstream.headers = 429, {"retry-after": sent}

    with pytest.raises(UpstreamBusyError) as caught:
        await calling.embed(["a"])
    assert caught.value.headers == {"retry-after": str(passed)}


async def test_a_silent_upstream_is_a_timeout(upstream):
    """UPSTREAM_TIMEOUT_S limits the wait."""
    upstream.gate.clear()
    impatient = Upstream(Settings(upstream_url=upstream.url, upstream_timeout_s=0.2), Metrics())

    with pytest.raises(UpstreamTimeoutError):
        await impatient.embed(["a"])
    await impatient.aclose()


async def test_an_unreachable_upstream_is_an_upstream_error():
    """A refused connection is told, without the address."""
    made = Upstream(Settings(upstream_url=f"http://127.0.0.1:{free_port()}/v1"), Metrics())

    with pytest.raises(UpstreamError, match="cannot be reached"):
        await made.embed(["a"])
    await made.aclose()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"data": 1}',
        b'{"data": [{"index": 0, "embedding": [NaN]}]}',
        b'{"data": [{"index": 0, "embedding": []}]}',
        b'{"data": [{"index": 0, "embedding": "AAAA"}]}',
        b'{"data": []}',
    ],
)
async def test_nonsense_is_an_upstream_error(calling, upstream, body):
    """A wrong shape never becomes a vector."""
    upstream.body = body

    with pytest.raises(UpstreamError):
        await calling.embed(["a"])


async def test_outcomes_are_counted(calling, upstream):
    """The metrics tell good calls from bad ones."""
    await calling.embed(["a"])
    upstream.status = 500
    with pytest.raises(UpstreamError):
        await calling.embed(["a"])

    text = calling._metrics.text().decode()  # noqa: SLF001 - the instrument it was given
    assert 'rag_upstream_calls_total{outcome="ok"} 1.0' in text
    assert 'rag_upstream_calls_total{outcome="error"} 1.0' in text


async def test_without_a_url_there_is_no_upstream():
    """The message names the setting."""
    settings = Settings()

    with pytest.raises(NotReadyError, match="UPSTREAM_URL"):
        await UpstreamEmbedder(Upstream(settings, Metrics()), settings).warm_up()


async def test_upstream_failures_map_to_http(serving, upstream):
    """429 and 502 reach the caller in the envelope."""
    statuses = []
    async with serving(upstream_url=upstream.url) as client:
        for status in (429, 500):
            upstream.status = status
            answer = await client.post("/query", json={"question": "why?"})
            statuses.append((answer.status_code, answer.json()["error"]["code"]))

    assert statuses == [(429, "upstream_busy"), (502, "upstream_error")]


async def test_an_upstream_timeout_is_504(serving, upstream):
    """The caller learns that waiting longer could have helped."""
    upstream.gate.clear()
    async with serving(upstream_url=upstream.url, upstream_timeout_s=0.2) as client:
        answer = await client.post("/query", json={"question": "why?"})

    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "upstream_timeout")
