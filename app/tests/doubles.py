"""Doubles: a small embedder, and a scripted upstream that answers real HTTP."""

import asyncio
import json
import threading
from array import array
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from zlib import crc32

import httpx2
from rag.embedder import Embedder, TextOrIds
from rag.errors import InputError
from rag.vectors import Embeddings, normalised

DIMENSIONS = 64
LONGEST = 200
"""Words of a text that the double reads."""


class WordEmbedder:
    """Count words into buckets: equal words are near, no model needed."""

    name = "words"
    device = "test"

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.gate.set()
        self.waiting = 0
        self.crowd = asyncio.Event()
        """Set while two wait at the gate."""

    async def warm_up(self) -> None:
        """Wait for the gate, as every embedding does."""
        await self.embed(["warm-up"])

    async def embed(self, inputs: Sequence[TextOrIds]) -> Embeddings:
        """Embed once the gate is open; the text "crash" raises."""
        self.waiting += 1
        if self.waiting > 1:
            self.crowd.set()
        await self.gate.wait()
        self.waiting -= 1
        if "crash" in inputs:
            raise RuntimeError("a secret of the inside")
        if [-1] in inputs:
            raise InputError("found a token id outside.", param="input")
        cut = tuple(place for place, item in enumerate(inputs) if len(_words(item)) > LONGEST)
        return Embeddings([self._row(item) for item in inputs], sum(map(len, map(_words, inputs))), cut)

    def _row(self, item: TextOrIds) -> "array[float]":
        counts = [0.01] * DIMENSIONS
        for word in _words(item):
            counts[crc32(word.encode()) % DIMENSIONS] += 1.0
        return normalised(counts)


def _words(item: TextOrIds) -> list[str]:
    return item.lower().split() if isinstance(item, str) else list(map(str, item))


def loaded(embedder: Embedder) -> "Future[Embedder]":
    """Give an embedder that has finished loading."""
    future: Future[Embedder] = Future()
    future.set_result(embedder)
    return future


@dataclass
class Script:
    """Behaviour of the upstream, and what it was asked."""

    url: str = ""
    status: int = 200
    body: bytes | None = None
    """Answered instead of the right thing."""
    headers: dict[str, str] = field(default_factory=dict)
    gate: threading.Event = field(default_factory=threading.Event)
    """No answer is sent before it is set."""
    came: threading.Event = field(default_factory=threading.Event)
    """Set when a request has arrived."""
    stalls: bool = False
    """Whether a streamed answer waits at the gate after its first piece instead."""
    broken: bool = False
    """Whether a streamed answer breaks off with an error."""
    asked: list[dict] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)


async def until_ready(client: httpx2.AsyncClient) -> httpx2.Response:
    """Ask /ready until it says 200."""
    while (answer := await client.get("/ready")).status_code != 200:  # noqa: ASYNC110 - only HTTP can tell
        await asyncio.sleep(0.001)
    return answer


def scripted_handler(script: Script) -> type[BaseHTTPRequestHandler]:
    """Make the handler that plays a script."""

    class Upstream(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            script.asked.append(asked)
            script.keys.append(self.headers.get("authorization", ""))
            script.came.set()
            stalls = script.stalls and "messages" in asked
            if not script.stalls:
                script.gate.wait()
            body = _chat(script) if "messages" in asked else _embeddings(asked["input"])
            self.send_response(script.status)
            for name, value in script.headers.items():
                self.send_header(name, value)
            self.end_headers()
            body = body if script.body is None else script.body
            if stalls:
                first, body = body[: body.index(b"\n\ndata: ", 10)] + b"\n\n", b""
                self.wfile.write(first)
                script.gate.wait()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Upstream


def _embeddings(inputs: list) -> bytes:
    rows = [{"index": place, "embedding": [3.0, 4.0, float(len(item))]} for place, item in enumerate(inputs)]
    return json.dumps({"data": rows[::-1], "usage": {"prompt_tokens": 7}}).encode()


def _chat(script: Script) -> bytes:
    pieces = [{"choices": [{"delta": {"content": word}}]} for word in ("Wheels ", "are ", "round.")]
    if script.broken:
        pieces[2] = {"error": {"message": "the key sk-upstream ran out"}}
    lines = [f"data: {json.dumps(piece)}\n\n" for piece in pieces]
    return "".join([": ping\n\n", *lines, "data: [DONE]\n\n"]).encode()


@contextmanager
def playing() -> Iterator[Script]:
    """Start a real HTTP server that plays an OpenAI-compatible upstream."""
    script = Script()
    script.gate.set()
    server = QuietServer(("127.0.0.1", 0), scripted_handler(script))
    script.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield script
    finally:
        script.gate.set()
        server.shutdown()
        server.server_close()
        thread.join()


class QuietServer(ThreadingHTTPServer):
    """Take a caller that gives up as part of the play."""

    def handle_error(self, *_: object) -> None:
        """Say nothing."""
