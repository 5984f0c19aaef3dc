"""Service: what the routes do, without HTTP."""

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import Future

import anyio

from rag import passages
from rag.embedder import Embedder, TextOrIds
from rag.errors import InputError, NotReadyError
from rag.index import Hit, Index, MemoryIndex, Passage
from rag.local import start_loading
from rag.metrics import Metrics
from rag.pgvector import PostgresIndex
from rag.schemas import Document
from rag.settings import Settings
from rag.upstream import Upstream, UpstreamEmbedder
from rag.vectors import Embeddings, Vector

log = logging.getLogger("rag.service")

DATABASE_RETRY_S = 2.0


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

    async def embed(self, inputs: Sequence[TextOrIds]) -> Embeddings:
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
        return await self._embed(inputs)

    async def store(self, documents: Sequence[Document]) -> dict[str, int]:
        """Cut, embed and keep documents; each id -> how many passages it became."""
        stored: dict[str, list[Passage]] = {}
        for document in documents:
            self._check_size(document.text, "documents")
            name = document.id or uuid.uuid4().hex
            stored[name] = [
                Passage(name, position, text, document.metadata)
                for position, text in enumerate(passages.split(document.text))
            ]
        pieces = [piece for parts in stored.values() for piece in parts]
        vectors: list[Vector] = []
        # One batch at a time, so that searches get their turn in between.
        for start in range(0, len(pieces), self.settings.max_batch):
            batch = pieces[start : start + self.settings.max_batch]
            vectors += (await self._embed([piece.text for piece in batch])).vectors
        await self.index.add(pieces, vectors)
        return {name: len(parts) for name, parts in stored.items()}

    async def search(self, query: str, top_k: int, min_score: float = -1.0) -> list[Hit]:
        """Find the passages nearest to a query, best first."""
        self._check_size(query, "query")
        vectors = (await self._embed([query])).vectors
        return [hit for hit in await self.index.search(vectors[0], top_k) if hit.score >= min_score]

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
