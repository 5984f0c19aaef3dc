"""Index: passages and their vectors in, nearest passages out."""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Protocol

import anyio.to_thread

from rag.errors import IndexFullError, InputError
from rag.vectors import Vector, dot

Scalar = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Passage:
    """Hold one piece of a document."""

    document_id: str
    position: int
    """Place in the document, from 0."""
    text: str
    metadata: Mapping[str, Scalar]
    """What the document's sender wants back."""


@dataclass(frozen=True, slots=True)
class Hit:
    """Hold a passage that was found."""

    passage: Passage
    score: float
    """Cosine with the query, -1 to 1."""


class Index(Protocol):
    """Keep passages; memory and PostgreSQL do."""

    async def add(self, passages: Sequence[Passage], vectors: Sequence[Vector]) -> None:
        """Store passages, replacing every document that they belong to."""

    async def remove(self, document_id: str) -> bool:
        """Forget a document; False when it was not there."""

    async def search(self, query: Vector, top_k: int) -> list[Hit]:
        """Find the nearest passages, best first."""

    async def aclose(self) -> None:
        """Let go of connections."""


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """Never changed after it is made, so searches in other threads need no lock."""

    passages: Sequence[Passage]
    rows: Any
    """float32 (n, d): a numpy matrix where numpy is installed, else a list of vectors."""


class MemoryIndex:
    """Compare the query with every passage: exact, and enough to 100,000.

    One search over 10,000 passages of 384 numbers takes about 2 ms with numpy and
    0.2 s without; the api variant, which has no numpy, is meant for DATABASE_URL
    beyond that.
    """

    def __init__(self, max_passages: int) -> None:
        self._max_passages = max_passages
        self._snapshot = _Snapshot((), None)
        self._numpy = find_spec("numpy") is not None

    async def add(self, passages: Sequence[Passage], vectors: Sequence[Vector]) -> None:
        """Store passages, replacing every document that they belong to.

        Raises:
            IndexFullError: more passages than MAX_PASSAGES.
            InputError: the vectors' length differs from what is stored.

        """
        self._snapshot = self._with(
            self._without({passage.document_id for passage in passages}), passages, vectors
        )

    async def remove(self, document_id: str) -> bool:
        """Forget a document; False when it was not there."""
        before = len(self._snapshot.passages)
        self._snapshot = self._without({document_id})
        return len(self._snapshot.passages) < before

    async def search(self, query: Vector, top_k: int) -> list[Hit]:
        """Find the nearest passages, best first, in a worker thread."""
        snapshot = self._snapshot
        if not snapshot.passages:
            return []
        _check_length(snapshot.rows, query)
        return await anyio.to_thread.run_sync(self._nearest, snapshot, query, top_k)

    async def aclose(self) -> None:
        """Do nothing: memory needs no closing."""

    def _nearest(self, snapshot: _Snapshot, query: Vector, top_k: int) -> list[Hit]:
        if self._numpy:
            import numpy as np  # noqa: PLC0415 - the api variant has none

            scores = (snapshot.rows @ np.frombuffer(query, np.float32)).tolist()
        else:
            scores = [dot(row, query) for row in snapshot.rows]
        best = heapq.nlargest(top_k, range(len(scores)), key=scores.__getitem__)
        return [Hit(snapshot.passages[place], scores[place]) for place in best]

    def _without(self, document_ids: set[str]) -> _Snapshot:
        old = self._snapshot
        kept = [place for place, item in enumerate(old.passages) if item.document_id not in document_ids]
        if len(kept) == len(old.passages):
            return old
        rows = old.rows[kept] if self._numpy else [old.rows[place] for place in kept]
        return _Snapshot([old.passages[place] for place in kept], rows if kept else None)

    def _with(self, old: _Snapshot, passages: Sequence[Passage], vectors: Sequence[Vector]) -> _Snapshot:
        total = len(old.passages) + len(passages)
        if total > self._max_passages:
            raise IndexFullError(
                f"{total} passages are more than MAX_PASSAGES={self._max_passages}. Remove documents."
            )
        _check_length(old.rows, vectors[0])
        return _Snapshot([*old.passages, *passages], self._stacked(old.rows, vectors))

    def _stacked(self, rows: Any, vectors: Sequence[Vector]) -> Any:
        if not self._numpy:
            return [*(rows or ()), *vectors]
        import numpy as np  # noqa: PLC0415 - the api variant has none

        added = np.array(vectors, np.float32)
        return added if rows is None else np.concatenate([rows, added])


def _check_length(rows: Any, vector: Vector) -> None:
    if rows is not None and len(rows[0]) != len(vector):
        raise InputError(
            f"the index holds vectors of {len(rows[0])} numbers, the embedder makes {len(vector)}. "
            "Store the documents again after a change of model."
        )
