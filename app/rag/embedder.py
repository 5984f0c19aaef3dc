"""Embedder: what turns texts into vectors, whoever does it."""

from collections.abc import Sequence
from typing import Protocol

from rag.vectors import Embeddings

TextOrIds = str | list[int]


class Embedder(Protocol):
    """Turn inputs into vectors; the local model, the upstream and the test double do."""

    name: str
    device: str

    async def warm_up(self) -> None:
        """Do what must be done once before the first request."""

    async def embed(self, inputs: Sequence[TextOrIds]) -> Embeddings:
        """Embed texts or token ids, in order."""
