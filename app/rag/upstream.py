"""Upstream: an OpenAI-compatible server that embeds and generates."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # imported at run time only where an upstream is configured: 25 ms of the start
    import httpx2 as httpx

from rag.answers import check_status, embeddings, piece
from rag.embedder import TextOrIds
from rag.errors import NotReadyError, UpstreamError, UpstreamTimeoutError
from rag.metrics import Metrics
from rag.settings import Settings, read_key
from rag.vectors import Embeddings

CONNECT_TIMEOUT_S = 5.0


class Upstream:
    """Call the upstream; what it answers on failure never reaches our callers."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._client: httpx.AsyncClient | None = None
        if settings.upstream_url:
            import httpx2 as httpx  # noqa: PLC0415

            key = read_key(settings.upstream_key_file, "UPSTREAM_KEY_FILE")
            self._client = httpx.AsyncClient(
                base_url=settings.upstream_url,
                headers={"authorization": f"Bearer {key}"} if key else {},
                timeout=httpx.Timeout(settings.upstream_timeout_s, connect=CONNECT_TIMEOUT_S),
            )

    async def aclose(self) -> None:
        """Close the connections that are kept alive."""
        if self._client:
            await self._client.aclose()

    @property
    def client(self) -> httpx.AsyncClient:
        """Give the client.

        Raises:
            NotReadyError: no upstream is configured.

        """
        if self._client is None:
            raise NotReadyError("no upstream is configured. Set UPSTREAM_URL.")
        return self._client

    async def embed(self, inputs: Sequence[TextOrIds]) -> Embeddings:
        """Embed n texts or token-id lists -> n rows of L2 norm 1.

        Raises:
            UpstreamError: and its kinds; NotReadyError without an upstream.

        """
        request = {"model": self._settings.upstream_embedding_model, "input": list(inputs)}
        async with self._answer("embeddings", request) as response:
            return embeddings(await response.aread(), len(inputs))

    async def generate(self, messages: Sequence[Mapping[str, str]], max_tokens: int) -> AsyncIterator[str]:
        """Stream the pieces of an answer as they come.

        Raises:
            UpstreamError: and its kinds; NotReadyError without an upstream.

        """
        request = {
            "model": self._settings.upstream_chat_model,
            "messages": list(messages),
            "max_tokens": max_tokens,
            "stream": True,
        }
        async with self._answer("chat/completions", request) as response:
            async for line in response.aiter_lines():
                data = line.removeprefix("data:").strip() if line.startswith("data:") else ""
                if data == "[DONE]":
                    return
                if data and (text := piece(data)):
                    yield text

    @asynccontextmanager
    async def _answer(self, path: str, request: Mapping[str, Any]) -> AsyncIterator[httpx.Response]:
        client = self.client
        import httpx2 as httpx  # noqa: PLC0415

        try:
            async with client.stream("POST", path, json=request) as response:
                check_status(response)
                yield response
        except httpx.TimeoutException as exc:
            self._metrics.upstream_calls.labels("timeout").inc()
            raise UpstreamTimeoutError("the upstream did not answer in time.") from exc
        except httpx.HTTPError as exc:
            self._metrics.upstream_calls.labels("unreachable").inc()
            raise UpstreamError("the upstream cannot be reached.") from exc
        except UpstreamError as exc:
            self._metrics.upstream_calls.labels(exc.code.removeprefix("upstream_")).inc()
            raise
        self._metrics.upstream_calls.labels("ok").inc()


class UpstreamEmbedder:
    """Let the upstream embed: the api variant has no model of its own."""

    device = "upstream"

    def __init__(self, upstream: Upstream, settings: Settings) -> None:
        self.name = settings.upstream_embedding_model
        self._upstream = upstream

    async def warm_up(self) -> None:
        """Check that an upstream is configured; its health is not ours to report.

        Raises:
            NotReadyError: UPSTREAM_URL is not set.

        """
        _ = self._upstream.client

    async def embed(self, inputs: Sequence[TextOrIds]) -> Embeddings:
        """Pass the inputs on."""
        return await self._upstream.embed(inputs)
