"""Server: the process that the image starts, over real HTTP."""

import signal
import socket
import threading
import time

import httpx2
import openai
import pytest
from doubles import playing
from processes import started, wait_until_ready


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


def test_sigterm_finishes_what_was_accepted():
    """The request in flight gets its 200, new connections are refused, exit is 0."""
    answers = []

    def ask(url: str) -> None:
        answers.append(httpx2.post(f"{url}/v1/embeddings", json={"input": "a"}, timeout=10).status_code)

    with playing() as upstream, started(EMBEDDER="upstream", UPSTREAM_URL=upstream.url) as process:
        wait_until_ready(process)
        upstream.delay_s = 1.0
        asking = threading.Thread(target=ask, args=[process.url])
        asking.start()
        while not upstream.asked:
            time.sleep(0.01)
        process.popen.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        with pytest.raises(httpx2.ConnectError):
            httpx2.get(f"{process.url}/health")
        asking.join()

        assert (answers, process.popen.wait(10)) == ([200], 0)


@pytest.mark.parametrize("head", [b"", b"GET / HT", b"POST /search HTTP/1.1\r\nHost: x\r\nX-A: "])
def test_a_head_that_never_ends_is_cut_off(process, head):
    """The connection is closed after HEADER_TIMEOUT_S, trickle or not."""
    with socket.create_connection(("127.0.0.1", process.port), timeout=5) as slow:
        slow.sendall(head)
        opened = time.monotonic()

        assert slow.recv(100) == b""
        assert 0.3 < time.monotonic() - opened < 4


def test_a_large_body_is_refused_over_real_http(process):
    """20 MB are answered with 413 and not kept."""
    with socket.create_connection(("127.0.0.1", process.port), timeout=5) as sender:
        sender.sendall(b"POST /search HTTP/1.1\r\nHost: x\r\nContent-Length: 20000000\r\n\r\n")

        assert sender.recv(100).startswith(b"HTTP/1.1 413 ")


def test_a_missing_model_exits_1_with_one_line(tmp_path):
    """No traceback: the file, and the setting to change."""
    with started(EMBEDDER="local", MODEL_DIR=str(tmp_path)) as process:
        said, _ = process.popen.communicate(timeout=30)

    assert process.popen.returncode == 1
    assert said.splitlines() == [
        f"rag: {tmp_path}/model.onnx: not found. Set MODEL_DIR to the folder that holds it."
    ]


def test_a_wrong_setting_exits_1_with_one_line():
    """No traceback: the variable, what was found, what is legal."""
    with started(MAX_BATCH="many") as process:
        said, _ = process.popen.communicate(timeout=30)

    assert process.popen.returncode == 1
    assert said.startswith("rag: MAX_BATCH: found 'many'")


@pytest.mark.parametrize(("word", "code"), [("--help", 0), ("-h", 0), ("--hlep", 2)])
def test_the_usage_is_told_without_serving(word, code):
    """Asked for it is no error; a wrong argument is one, and is named."""
    with started(word) as process:
        said, _ = process.popen.communicate(timeout=30)

    assert process.popen.returncode == code
    assert "usage: python -m rag" in said
    assert (f"unknown argument {word!r}" in said) == bool(code)


def test_without_an_upstream_the_api_variant_lives_but_is_not_ready():
    """/health is 200; /ready is 503 and names the setting."""
    with started(EMBEDDER="upstream") as process, pytest.raises(AssertionError, match="never ready"):
        wait_until_ready(process, seconds=2)


@pytest.mark.model
def test_a_damaged_model_exits_1_and_says_so(model_settings, tmp_path):
    """The process does not stay, unready, for ever."""
    for name in ("model.onnx", "tokenizer.json"):
        (tmp_path / name).write_bytes((model_settings.model_dir / name).read_bytes()[:1000])
    with started(EMBEDDER="local", MODEL_DIR=str(tmp_path)) as process:
        said, _ = process.popen.communicate(timeout=60)

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
        httpx2.post(f"{process.url}/documents", json=documents).raise_for_status()
        found = httpx2.post(f"{process.url}/search", json={"query": "a kitten"}).json()["results"]
        with openai.OpenAI(base_url=f"{process.url}/v1", api_key="any") as client:
            row = client.embeddings.create(model="all-MiniLM-L6-v2", input="hello").data[0].embedding

    assert [hit["document_id"] for hit in found] == ["cat", "tax"]
    assert len(row) == 384
