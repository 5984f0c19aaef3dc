"""Retrieval: documents in, passages and answers out."""

import json

import pytest

DOCUMENTS = [
    {"id": "wheels", "text": "A wheel is a built package.", "metadata": {"page": 3, "draft": False}},
    {"id": "cats", "text": "The cat sleeps all day."},
]


@pytest.fixture
async def filled(serving, upstream):
    """Give a client whose service holds two documents and has an upstream."""
    async with serving(upstream_url=upstream.url) as client:
        answer = await client.post("/documents", json={"documents": DOCUMENTS})
        assert answer.status_code == 201
        yield client


async def found(client, query, **more):
    """Search and give the results."""
    return (await client.post("/search", json={"query": query, **more})).json()["results"]


async def test_a_stored_document_is_found_by_its_words(filled):
    """The passage comes back with its metadata and a score."""
    best = (await found(filled, "package wheel"))[0]

    assert (best["document_id"], best["position"]) == ("wheels", 0)
    assert best["metadata"] == {"page": 3, "draft": False}
    assert 0.2 < best["score"] <= 1


async def test_top_k_and_min_score_limit_the_results(filled):
    """Few and good, as asked."""
    assert len(await found(filled, "wheel", top_k=1)) == 1
    assert await found(filled, "wheel", min_score=0.999) == []


async def test_a_long_document_becomes_several_passages(client):
    """Each passage fits the model."""
    text = "A sentence about wheels. " * 100

    stored = (await client.post("/documents", json={"documents": [{"text": text}]})).json()["documents"]

    assert stored[0]["passages"] == 3


async def test_an_id_that_exists_is_replaced(filled):
    """Storing twice leaves one."""
    await filled.post("/documents", json={"documents": [{"id": "cats", "text": "The dog barks."}]})

    assert sorted(hit["document_id"] for hit in await found(filled, "dog", top_k=9)) == ["cats", "wheels"]
    assert (await found(filled, "dog barks"))[0]["document_id"] == "cats"


async def test_a_removed_document_is_gone(filled):
    """204, then 404."""
    first = await filled.delete("/documents/cats")
    second = await filled.delete("/documents/cats")

    assert (first.status_code, second.status_code) == (204, 404)
    assert [hit["document_id"] for hit in await found(filled, "cat")] == ["wheels"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/documents", b'{"documents": []}'),
        ("/documents", b'{"documents": [{"text": " "}]}'),
        ("/documents", b'{"documents": [{"text": "a", "id": ""}]}'),
        ("/documents", b'{"documents": [{"text": "a", "metadata": {"x": NaN}}]}'),
        ("/documents", b'{"documents": [{"text": "a", "metadata": {"x": {}}}]}'),
        ("/documents", b'{"documents": [{"text": "a", "metadata": {"\\ud800": 1}}]}'),
        ("/search", b'{"query": ""}'),
        ("/search", b'{"query": "a", "top_k": 0}'),
        ("/search", b'{"query": "a", "min_score": NaN}'),
        ("/query", b'{"question": "\\udc00"}'),
        ("/query", b'{"question": "a", "max_tokens": 0}'),
    ],
)
async def test_wrong_requests_are_400(client, path, body):
    """Nothing wrong is stored, searched or sent to the upstream."""
    answer = await client.post(path, content=body, headers={"content-type": "application/json"})

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "invalid_input"


async def test_a_text_beyond_the_cap_is_refused_before_it_is_tokenised(serving):
    """MAX_CHARS holds for documents and queries too."""
    async with serving(max_chars=10) as client:
        long = "far too long a text"
        answers = [
            await client.post("/documents", json={"documents": [{"text": long}]}),
            await client.post("/search", json={"query": long}),
        ]

    assert [answer.status_code for answer in answers] == [400, 400]


async def test_a_full_index_is_409(serving):
    """More passages than MAX_PASSAGES are refused."""
    async with serving(max_passages=1) as client:
        answer = await client.post("/documents", json={"documents": DOCUMENTS})

    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "index_full")


async def test_an_answer_comes_with_its_sources(filled, upstream):
    """The upstream sees the passages and the question; the caller sees answer and sources."""
    body = (await filled.post("/query", json={"question": "What is a wheel?", "top_k": 1})).json()

    assert body["answer"] == "Wheels are round."
    assert [source["document_id"] for source in body["sources"]] == ["wheels"]
    assert "[1] A wheel is a built package." in upstream.asked[-1]["messages"][1]["content"]


def events(text):
    """Read server-sent events."""
    return [json.loads(line.removeprefix("data: ")) for line in text.split("\n\n") if line]


async def test_a_streamed_answer_is_sources_then_text_then_done(filled):
    """Server-sent events in that order."""
    answer = await filled.post("/query", json={"question": "wheel?", "stream": True})

    assert answer.headers["content-type"].startswith("text/event-stream")
    kinds = [event["type"] for event in events(answer.text)]
    assert kinds == ["sources", "text", "text", "text", "done"]


async def test_a_stream_that_breaks_off_says_so(filled, upstream):
    """The last event is an error, without the upstream's words."""
    upstream.broken = True

    answer = await filled.post("/query", json={"question": "wheel?", "stream": True})

    last = events(answer.text)[-1]
    assert (last["type"], last["error"]["code"]) == ("error", "upstream_error")
    assert "sk-upstream" not in answer.text


async def test_without_an_upstream_a_question_is_503(client):
    """The message names the setting."""
    answer = await client.post("/query", json={"question": "why?"})

    assert answer.status_code == 503
    assert "UPSTREAM_URL" in answer.json()["error"]["message"]
