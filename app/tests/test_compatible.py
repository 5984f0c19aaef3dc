"""OpenAI's API: models by name, token ids, truncation, batches, unknown fields."""

import pytest
from doubles import LONGEST
from rag.errors import InputError, ModelError
from rag.vocabulary import SHA256, SPECIAL, Cl100kBase

LONG = "wheel " * (LONGEST + 1)


async def ask(client, **body):
    """Ask for embeddings."""
    return await client.post("/v1/embeddings", json=body)


def code(answer) -> tuple[int, str, str | None]:
    """Return status, code and parameter of an error."""
    error = answer.json()["error"]
    return answer.status_code, error["code"], error["param"]


@pytest.fixture
def small_file(tmp_path):
    """Return a file in tiktoken's format: the 256 bytes, then two longer tokens."""
    import base64  # noqa: PLC0415 - only here

    tokens = [bytes([number]) for number in range(256)] + [b"hello", b" wheel"]
    lines = [base64.b64encode(token) + b" %d\n" % rank for rank, token in enumerate(tokens)]
    (tmp_path / "small.tiktoken").write_bytes(b"".join(lines))
    return tmp_path / "small.tiktoken"


@pytest.mark.parametrize("given", [[1, 2], [[1], [2, 3]]])
async def test_token_ids_are_refused_unless_their_vocabulary_is_declared(client, given):
    """Ids of another vocabulary would give the vectors of another text."""
    answer = await ask(client, input=given)

    assert code(answer) == (400, "token_ids_refused", "input")
    assert "check_embedding_ctx_length=False" in answer.json()["error"]["message"]
    assert "VOCABULARY" in answer.json()["error"]["message"]


def test_ids_decode_to_the_text_that_they_encode(small_file):
    """Tokens join as bytes, so that a character may span several of them."""
    vocabulary = Cl100kBase(small_file)

    assert vocabulary.decode([256, 257, *"é".encode()]) == "hello wheelé"


def test_ids_that_end_inside_a_character_decode_to_a_replacement(small_file):
    """A client that splits long texts by ids may split a character."""
    assert Cl100kBase(small_file).decode([256, "é".encode()[0]]) == "hello\ufffd"


def test_special_ids_decode_to_their_text(small_file):
    """The file does not list them, OpenAI's clients can send them."""
    assert Cl100kBase(small_file).decode([max(SPECIAL)]) == "<|endofprompt|>"


@pytest.mark.parametrize("bad", [-1, 258, 100_256, 2**70])
def test_an_id_outside_the_vocabulary_is_refused_by_its_number(small_file, bad):
    """No vector is made of a text with a hole."""
    with pytest.raises(InputError, match=f"found token id {str(bad)[:20]}"):
        Cl100kBase(small_file).decode([256, bad])


def test_another_file_is_no_cl100k_base(small_file, tmp_path):
    """The published hash decides, and an absent file is named with its setting."""
    with pytest.raises(ModelError, match=f"{SHA256:064x}"[:12]):
        Cl100kBase(small_file).verify()
    with pytest.raises(ModelError, match="VOCABULARY_FILE"):
        Cl100kBase(tmp_path / "absent").verify()


async def test_an_unknown_model_is_404_and_named(client):
    """A client that asks for another model is not answered by this one."""
    answer = await ask(client, input="a", model="text-embedding-3-small")

    assert code(answer) == (404, "model_not_found", "model")
    assert "'words'" in answer.json()["error"]["message"]


@pytest.mark.parametrize("aliases", ["ada, small", "*"])
async def test_an_alias_is_answered_by_the_served_model_and_named_so(serving, aliases):
    """MODEL_ALIASES allows names, `*` every name; the answer has the model's own."""
    async with serving(model_aliases=aliases) as client:
        answer = await ask(client, input="a", model="small")

    assert (answer.status_code, answer.json()["model"]) == (200, "words")


async def test_a_request_without_a_model_means_the_served_one(client):
    """There is one model only."""
    assert (await ask(client, input="a")).json()["model"] == "words"


async def test_models_are_listed_with_their_aliases_and_found_by_name(serving):
    """What the list has can be retrieved; names may have slashes."""
    async with serving(model_aliases="org/small") as client:
        listed = (await client.get("/v1/models")).json()["data"]
        one = await client.get("/v1/models/org%2Fsmall")
        missing = await client.get("/v1/models/large")

    assert [(card["id"], card["root"]) for card in listed] == [("words", "words"), ("org/small", "words")]
    assert one.json() == listed[1]
    assert code(missing) == (404, "model_not_found", "model")


async def test_truncation_is_reported_by_place_and_number(client):
    """A text that was not read whole is never answered as if it was."""
    answer = await ask(client, input=["short", LONG, "short", LONG])

    assert (answer.json()["truncated"], answer.headers["x-truncated"]) == ([1, 3], "2")
    assert "rag_truncated_texts_total 2.0" in (await client.get("/metrics")).text


async def test_whole_texts_are_answered_without_the_field(client):
    """OpenAI's shape stays as it is where nothing was cut."""
    answer = await ask(client, input=["short"])

    assert "truncated" not in answer.json()
    assert "x-truncated" not in answer.headers


@pytest.mark.parametrize(
    ("setting", "asked", "status"), [(True, False, 400), (False, None, 400), (False, True, 200)]
)
async def test_truncation_can_be_refused_by_request_or_setting(serving, setting, asked, status):
    """The request decides over TRUNCATE."""
    async with serving(truncate=setting) as client:
        answer = await ask(client, input=["short", LONG], truncate=asked)

    assert answer.status_code == status
    if status == 400:
        assert code(answer) == (400, "context_length_exceeded", "input")


async def test_truncated_passages_and_queries_are_reported(client):
    """A passage of many short words is longer than the model reads, though not in characters."""
    dense = {"id": "dense", "text": "a " * (LONGEST + 1)}
    stored = await client.post("/documents", json={"documents": [dense, {"id": "b", "text": "short"}]})
    searched = [(await client.post("/search", json={"query": text})).json() for text in ("a", LONG)]

    assert [one["truncated"] for one in stored.json()["documents"]] == [1, 0]
    assert [one["truncated"] for one in searched] == [False, True]


async def test_a_batch_may_have_2048_inputs(client):
    """OpenAI's limit; LangChain sends 1,000 at once."""
    answer = await ask(client, input=["a"] * 2048)

    assert len(answer.json()["data"]) == 2048


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/v1/embeddings", {"input": "a", "dimension": 5}, "dimension"),
        ("/documents", {"documents": [{"text": "a", "txet": "b"}]}, "documents.0.txet"),
        ("/search", {"query": "a", "k": 3}, "k"),
        ("/query", {"question": "a", "strem": True}, "strem"),
    ],
)
async def test_an_unknown_field_is_refused_by_name(client, path, body, field):
    """A misspelt field does not pass for its default."""
    answer = await client.post(path, json=body)

    assert code(answer) == (400, "invalid_input", field)
    assert "unknown field" in answer.json()["error"]["message"]


async def test_openai_s_user_field_is_accepted(client):
    """Clients send it for OpenAI's abuse monitoring."""
    assert (await ask(client, input="a", user="u-1")).status_code == 200


@pytest.mark.parametrize("path", ["/", "/health", "/ready", "/metrics"])
async def test_head_is_answered_like_get_without_a_body(client, path):
    """Load balancers and uptime checks ask so."""
    head, get = await client.head(path), await client.get(path)

    assert (head.status_code, head.headers["content-type"]) == (200, get.headers["content-type"])
