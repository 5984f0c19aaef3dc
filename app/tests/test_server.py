"""Server: the process that the image starts, over real HTTP."""

import json
import signal
import socket
import threading
import time

import httpx2
import openai
import pytest
from doubles import playing
from processes import PATIENCE_S, started, wait_for, wait_until_ready, wait_until_refused


@pytest.fixture
def client(process):
    """Give the real OpenAI client."""
    with openai.OpenAI(base_url=f"{process.url}/v1", api_key="any", max_retries=0) as made:
        yield made


def test_the_openai_client_reads_embeddings(client):
    """Without encoding_format the client asks for base64 and unpacks it."""
    made = client.embeddings.create(model="text-embedding-3-small", input=["a", "abc"])

    assert [len(row.embedding) for row in made.data] == [3, 3]
    assert made.data[0].embedding[1] == pytest.approx(4 / 26**0.5)
    assert made.usage.total_tokens == 7


def test_the_openai_client_asks_for_floats_dimensions_and_ids(client):
    """All the options of the call are understood."""
    made = client.embeddings.create(
        model="text-embedding-3-small", input=[[1, 2]], encoding_format="float", dimensions=2
    )

    assert made.data[0].embedding == pytest.approx([0.6, 0.8])


def test_the_openai_client_understands_our_errors(client, process):
    """Status and envelope become the client's own exceptions."""
    with pytest.raises(openai.BadRequestError) as bad:
        client.embeddings.create(model="text-embedding-3-small", input="")
    process.upstream.status = 429
    with pytest.raises(openai.RateLimitError):
        client.embeddings.create(model="text-embedding-3-small", input="a")
    process.upstream.status = 200

    assert (bad.value.code, bad.value.param) == ("invalid_input", "input")


def test_the_openai_client_lists_models(client):
    """The served name is found."""
    assert [card.id for card in client.models.list()] == ["text-embedding-3-small"]


class Asking:
    """A request that another thread waits for."""

    def __init__(self, url: str, body: dict[str, object]) -> None:
        self._thread = threading.Thread(target=self._ask, args=[url, body])
        self._thread.start()

    def _ask(self, url: str, body: dict[str, object]) -> None:
        self._answer = httpx2.post(url, json=body, timeout=PATIENCE_S)

    def answer(self) -> httpx2.Response:
        """Return the answer once it is there."""
        self._thread.join()
        return self._answer


def test_sigterm_finishes_what_was_accepted():
    """The request in flight gets its 200, new connections are refused, exit is 0."""
    with playing() as upstream, started(EMBEDDER="upstream", UPSTREAM_URL=upstream.url) as process:
        wait_until_ready(process)
        upstream.gate.clear()
        asking = Asking(f"{process.url}/v1/embeddings", {"input": "a"})
        assert upstream.came.wait(PATIENCE_S)
        process.popen.send_signal(signal.SIGTERM)
        wait_until_refused(process)
        upstream.gate.set()

        assert (asking.answer().status_code, process.popen.wait(PATIENCE_S)) == (200, 0)


def test_at_the_drain_limit_an_unfinished_request_is_503_in_the_envelope():
    """A client's retry goes to another replica; a plain 500 would be taken for a fault."""
    limit = {"EMBEDDER": "upstream", "DRAIN_TIMEOUT_S": "0"}
    with playing() as upstream, started(UPSTREAM_URL=upstream.url, **limit) as process:
        wait_until_ready(process)
        upstream.gate.clear()
        asking = Asking(f"{process.url}/v1/embeddings", {"input": "a"})
        assert upstream.came.wait(PATIENCE_S)
        process.popen.send_signal(signal.SIGTERM)
        answer = asking.answer()

        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert answer.json()["error"]["code"] == "shutting_down"
        assert process.popen.wait(PATIENCE_S) == 0


def test_at_the_drain_limit_a_streamed_answer_ends_with_an_error_event():
    """A stream that just ended would pass for a whole answer."""
    limit = {"EMBEDDER": "upstream", "DRAIN_TIMEOUT_S": "0"}
    with playing() as upstream, started(UPSTREAM_URL=upstream.url, **limit) as process:
        wait_until_ready(process)
        httpx2.post(
            f"{process.url}/documents", json={"documents": [{"text": "A wheel."}]}, timeout=PATIENCE_S
        )
        upstream.gate.clear()
        upstream.stalls = True
        question = {"question": "wheel?", "stream": True}
        with httpx2.stream("POST", f"{process.url}/query", json=question, timeout=PATIENCE_S) as answer:
            lines = (line for line in answer.iter_lines() if line)
            begun = [next(lines), next(lines)]
            process.popen.send_signal(signal.SIGTERM)
            ended = list(lines)

    assert [json.loads(line.removeprefix("data: "))["type"] for line in begun] == ["sources", "text"]
    assert [json.loads(line.removeprefix("data: "))["error"]["code"] for line in ended] == ["shutting_down"]


@pytest.fixture(scope="module")
def impatient():
    """Give a service that cuts off request heads after half a second."""
    with started(EMBEDDER="upstream", HEADER_TIMEOUT_S="0.5") as process:
        wait_for(process, lambda answer: "UPSTREAM_URL" in answer.text)
        yield process


@pytest.mark.parametrize("head", [b"", b"GET / HT", b"POST /search HTTP/1.1\r\nHost: x\r\nX-A: "])
def test_a_head_that_never_ends_is_cut_off(impatient, head):
    """The connection is closed after HEADER_TIMEOUT_S, and not before."""
    opened = time.monotonic()
    with socket.create_connection(("127.0.0.1", impatient.port), timeout=PATIENCE_S) as slow:
        slow.sendall(head)

        assert slow.recv(100) == b""
        assert time.monotonic() - opened > 0.3


def test_a_large_body_is_refused_over_real_http(process):
    """20 MB are answered with 413 and not kept."""
    with socket.create_connection(("127.0.0.1", process.port), timeout=PATIENCE_S) as sender:
        sender.sendall(b"POST /search HTTP/1.1\r\nHost: x\r\nContent-Length: 20000000\r\n\r\n")

        assert sender.recv(100).startswith(b"HTTP/1.1 413 ")


def test_a_missing_model_exits_1_with_one_line(tmp_path):
    """No traceback: the file, and the setting to change."""
    with started(EMBEDDER="local", MODEL_DIR=str(tmp_path)) as process:
        said, _ = process.popen.communicate(timeout=PATIENCE_S)

    assert process.popen.returncode == 1
    assert said.splitlines() == [
        f"rag: {tmp_path}/model.onnx: not found. Set MODEL_DIR to the folder that holds it."
    ]


def test_a_wrong_setting_exits_1_with_one_line():
    """No traceback: the variable, what was found, what is legal."""
    with started(MAX_BATCH="many") as process:
        said, _ = process.popen.communicate(timeout=PATIENCE_S)

    assert process.popen.returncode == 1
    assert said.startswith("rag: MAX_BATCH: found 'many'")


@pytest.mark.parametrize(("word", "code"), [("--help", 0), ("-h", 0), ("--hlep", 2)])
def test_the_usage_is_told_without_serving(word, code):
    """Asked for it is no error; a wrong argument is one, and is named."""
    with started(word) as process:
        said, _ = process.popen.communicate(timeout=PATIENCE_S)

    assert process.popen.returncode == code
    assert "usage: python -m rag" in said
    assert (f"unknown argument {word!r}" in said) == bool(code)


def test_without_an_upstream_the_api_variant_lives_but_is_not_ready():
    """/health is 200; /ready is 503 and names the setting."""
    with started(EMBEDDER="upstream") as process:
        wait_for(process, lambda answer: answer.status_code == 503 and "UPSTREAM_URL" in answer.text)

        assert httpx2.get(f"{process.url}/health", timeout=PATIENCE_S).status_code == 200


@pytest.mark.model
def test_a_damaged_model_exits_1_and_says_so(model_settings, tmp_path):
    """The process does not stay, unready, for ever."""
    for name in ("model.onnx", "tokenizer.json"):
        (tmp_path / name).write_bytes((model_settings.model_dir / name).read_bytes()[:1000])
    with started(EMBEDDER="local", MODEL_DIR=str(tmp_path)) as process:
        said, _ = process.popen.communicate(timeout=PATIENCE_S)

    assert process.popen.returncode == 1
    assert "model.onnx: " in said


@pytest.mark.model
def test_the_real_model_serves_the_openai_client(model_settings):
    """From start to a searchable document with the exported model."""
    with started(EMBEDDER="local", MODEL_DIR=str(model_settings.model_dir)) as process:
        wait_until_ready(process)
        documents = {
            "documents": [{"id": "cat", "text": "The cat sits."}, {"id": "tax", "text": "Taxes rose."}]
        }
        httpx2.post(f"{process.url}/documents", json=documents, timeout=PATIENCE_S).raise_for_status()
        asked = httpx2.post(f"{process.url}/search", json={"query": "a kitten"}, timeout=PATIENCE_S)
        found = asked.json()["results"]
        with openai.OpenAI(base_url=f"{process.url}/v1", api_key="any") as client:
            row = client.embeddings.create(model="all-MiniLM-L6-v2", input="hello").data[0].embedding

    assert [hit["document_id"] for hit in found] == ["cat", "tax"]
    assert len(row) == 384


@pytest.fixture(scope="module")
def drop_in(model_settings):
    """Give the real model with the names and the vocabulary that the image declares."""
    if not model_settings.vocabulary_file.is_file():
        pytest.skip(
            f"{model_settings.vocabulary_file} is absent: set VOCABULARY_FILE to cl100k_base.tiktoken"
        )
    declared = {"VOCABULARY": "cl100k_base", "VOCABULARY_FILE": str(model_settings.vocabulary_file)}
    folder = {"MODEL_DIR": str(model_settings.model_dir), "MODEL_ALIASES": "text-embedding-ada-002"}
    with started(EMBEDDER="local", **folder, **declared) as process:
        wait_until_ready(process)
        yield process


TEXTS = [
    "The cat sits on the mat.",
    "Größe, 漢字, 🎡 and <|endofprompt|>",
    "  two  spaces\n\n",
    "word " * 300,
]


@pytest.mark.model
@pytest.mark.parametrize("model", [{}, {"model": "all-MiniLM-L6-v2"}], ids=["default", "named"])
def test_langchain_with_default_settings_gets_the_vectors_of_the_texts(
    drop_in, model_settings, tmp_path, monkeypatch, model
):
    """It encodes with cl100k_base and sends ids; the vectors are those that the texts have."""
    # tiktoken would download its vocabulary; a file of this name is found first.
    cached = tmp_path / "9b5ad71b2ce5302211f9c61530b329a4922fc6a4"
    cached.write_bytes(model_settings.vocabulary_file.read_bytes())
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    from langchain_openai import OpenAIEmbeddings  # noqa: PLC0415 - 2 s

    texts = [text.replace("<|endofprompt|>", "") for text in TEXTS]
    base_url = f"{drop_in.url}/v1"
    by_ids = OpenAIEmbeddings(base_url=base_url, api_key="any", **model).embed_documents(texts)
    with openai.OpenAI(base_url=base_url, api_key="any") as client:
        made = client.embeddings.create(model="all-MiniLM-L6-v2", input=texts, encoding_format="float")

    assert by_ids == [pytest.approx(row.embedding, abs=1e-6) for row in made.data]


@pytest.mark.model
def test_the_openai_client_retrieves_the_model_and_learns_of_truncation(drop_in):
    """models.retrieve answers; a text of 300 words is reported as cut."""
    with openai.OpenAI(base_url=f"{drop_in.url}/v1", api_key="any") as client:
        card = client.models.retrieve("all-MiniLM-L6-v2")
        made = client.embeddings.create(model=card.id, input=["short", "word " * 300])
        with pytest.raises(openai.NotFoundError):
            client.embeddings.create(model="gpt-4o", input="a")

    assert (card.id, made.model_extra["truncated"]) == ("all-MiniLM-L6-v2", [1])
