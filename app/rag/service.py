"""Service: what the routes do, without HTTP."""

import asyncio
import logging
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import Future
from typing import Final, NamedTuple

import anyio

from rag import passages
from rag.embedder import Embedder, TextOrIds
from rag.errors import InputError, NotReadyError, UnknownModelError
from rag.index import Hit, Index, MemoryIndex, Passage
from rag.local import start_loading
from rag.metrics import Metrics
from rag.pgvector import PostgresIndex
from rag.schemas import Document
from rag.settings import Settings
from rag.upstream import Upstream, UpstreamEmbedder
from rag.vectors import Embeddings, Vector
from rag.vocabulary import Cl100kBase

log = logging.getLogger("rag.service")

DATABASE_RETRY_S = 2.0

PASSAGES_PER_CALL: Final = 256
"""Passages of one call of the embedder: about 60,000 tokens, a fifth of what OpenAI takes at once."""


class Stored(NamedTuple):
    """Result of storing one document."""

    document_id: str
    passages: int
    truncated: int
    """Passages that are longer than the model reads; their ends cannot be found."""


class Found(NamedTuple):
    """Result of a search."""

    hits: list[Hit]
    truncated: bool
    """Whether the query is longer than the model reads."""


class Service:
    """Embed, store, search and answer; not ready until one warm-up went through."""

    def __init__(self, settings: Settings, metrics: Metrics, model: Future[Embedder] | None = None) -> None:
        self.settings = settings
        self.metrics = metrics
        self.upstream = Upstream(settings, metrics)
        self.state = "loading the model"
        self.failed = False
        self._embedder: Embedder | None = None
        self._index: Index | None = None
        foreign = settings.vocabulary == "cl100k_base"
        self._vocabulary = Cl100kBase(settings.vocabulary_file) if foreign else None
        self._model = model or start_loading(settings)

    @property
    def ready(self) -> bool:
        """Tell whether requests can be served."""
        return self.state == "ready"

    @property
    def embedder(self) -> Embedder:
        """Give the embedder.

        Raises:
            NotReadyError: it is not loaded and warm yet.

        """
        if not self.ready or self._embedder is None:
            raise NotReadyError(f"not ready: {self.state}.", retry_after_s=1)
        return self._embedder

    @property
    def index(self) -> Index:
        """Give the index.

        Raises:
            NotReadyError: it is not open yet.

        """
        if not self.ready or self._index is None:
            raise NotReadyError(f"not ready: {self.state}.", retry_after_s=1)
        return self._index

    async def start(self) -> None:
        """Load the model, warm it up, open the index.

        Raises:
            ServiceError: the model or a setting is wrong; waiting would not help.

        """
        if self._vocabulary:
            await anyio.to_thread.run_sync(self._vocabulary.verify)
        if self._model:
            self._embedder = await asyncio.wrap_future(self._model)
        else:
            self._embedder = UpstreamEmbedder(self.upstream, self.settings)
        try:
            await self._embedder.warm_up()
        except NotReadyError as exc:
            self.state = exc.message
            return
        self.state = "waiting for the database"
        self._index = await self._open_index()
        self.state = "ready"
        self.metrics.ready.set(1)
        log.info("ready: %s on %s", self._embedder.name, self._embedder.device)

    async def aclose(self) -> None:
        """Let go of connections."""
        await self.upstream.aclose()
        if self._index:
            await self._index.aclose()

    async def embed(self, inputs: Sequence[TextOrIds], *, truncate: bool | None = None) -> Embeddings:
        """Embed the inputs of one request, n <= MAX_BATCH -> n rows.

        Raises:
            InputError: an input is empty or too long, or there are too many.

        """
        if len(inputs) > self.settings.max_batch:
            raise InputError(
                f"found {len(inputs)} inputs, expected at most {self.settings.max_batch}.", param="input"
            )
        for item in inputs:
            self._check_size(item, "input")
        if any(not isinstance(item, str) for item in inputs):
            inputs = await anyio.to_thread.run_sync(self._readable, inputs)
        embedded = await self._embed(inputs)
        if embedded.truncated and not (self.settings.truncate if truncate is None else truncate):
            raise InputError(
                f"found {len(embedded.truncated)} inputs that are longer than {self.embedder.name} reads, "
                f"the first at {embedded.truncated[0]}. Shorten them, or send truncate: true.",
                param="input",
                code="context_length_exceeded",
            )
        return embedded

    def _readable(self, inputs: Sequence[TextOrIds]) -> list[TextOrIds]:
        """Return inputs that the embedder can read: token ids of another vocabulary become text."""
        if self.settings.vocabulary == "model":
            return list(inputs)
        if self._vocabulary is None:
            raise InputError(
                "found token ids, expected text: ids of another vocabulary would give wrong vectors. "
                "Send text (LangChain: check_embedding_ctx_length=False), or declare what the ids mean with "
                "VOCABULARY.",
                param="input",
                code="token_ids_refused",
            )
        texts = [item if isinstance(item, str) else self._vocabulary.decode(item) for item in inputs]
        for text in texts:
            self._check_size(text, "input")
        return list(texts)

    def require_model(self, name: str | None) -> None:
        """Check that a request asks for the model that is served; no name means that model.

        Raises:
            UnknownModelError: another name, which MODEL_ALIASES does not allow.

        """
        served = self.embedder.name
        if name in (None, served, *self.settings.aliases) or self.settings.answers_any_model:
            return
        raise UnknownModelError(
            f"the model {name!r} is not served here. Ask for {served!r}, or add the name to MODEL_ALIASES.",
            param="model",
        )

    async def store(self, documents: Sequence[Document]) -> list[Stored]:
        """Split, embed and keep documents."""
        split: dict[str, list[Passage]] = {}
        for document in documents:
            self._check_size(document.text, "documents")
            name = document.id or uuid.uuid4().hex
            split[name] = [
                Passage(name, position, text, document.metadata)
                for position, text in enumerate(passages.split(document.text))
            ]
        pieces = [piece for parts in split.values() for piece in parts]
        vectors: list[Vector] = []
        truncated: Counter[str] = Counter()
        for start in range(0, len(pieces), PASSAGES_PER_CALL):
            batch = pieces[start : start + PASSAGES_PER_CALL]
            embedded = await self._embed([piece.text for piece in batch])
            vectors += embedded.vectors
            truncated.update(batch[place].document_id for place in embedded.truncated)
        await self.index.add(pieces, vectors)
        return [Stored(name, len(parts), truncated[name]) for name, parts in split.items()]

    async def search(self, query: str, top_k: int, min_score: float = -1.0) -> Found:
        """Find the passages nearest to a query, best first."""
        self._check_size(query, "query")
        embedded = await self._embed([query])
        hits = await self.index.search(embedded.vectors[0], top_k)
        return Found([hit for hit in hits if hit.score >= min_score], bool(embedded.truncated))

    def answer(self, question: str, hits: Sequence[Hit], max_tokens: int) -> AsyncIterator[str]:
        """Stream an answer that the upstream writes from the passages."""
        return self.upstream.generate(passages.prompt(question, hits), max_tokens)

    def _check_size(self, item: TextOrIds, param: str) -> None:
        if not item:
            raise InputError("found an empty input, expected text.", param=param)
        if len(item) > self.settings.max_chars:
            raise InputError(
                f"found {len(item)} characters, expected at most {self.settings.max_chars}.", param=param
            )

    async def _embed(self, inputs: Sequence[TextOrIds]) -> Embeddings:
        with self.metrics.inference_seconds.time():
            made = await self.embedder.embed(inputs)
        self.metrics.embedded_texts.inc(len(inputs))
        self.metrics.embedded_tokens.inc(made.tokens)
        self.metrics.truncated_texts.inc(len(made.truncated))
        return made

    async def _open_index(self) -> Index:
        if self.settings.database_url is None:
            return MemoryIndex(self.settings.max_passages)
        while True:
            try:
                return await PostgresIndex.open(self.settings.database_url)
            except NotReadyError as exc:
                log.warning("%s Trying again in %g s.", exc.message, DATABASE_RETRY_S)
                await anyio.sleep(DATABASE_RETRY_S)
