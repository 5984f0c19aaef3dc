"""Index in PostgreSQL: passages that outlive the process and are shared by replicas."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, Self

import anyio

from rag.errors import InputError, NotReadyError, SettingsError
from rag.index import Hit, Passage
from rag.vectors import Vector

TABLE: Final = """
CREATE EXTENSION IF NOT EXISTS vector;
CREATE TABLE IF NOT EXISTS passages (
  document_id text NOT NULL,
  position integer NOT NULL,
  content text NOT NULL,
  metadata jsonb NOT NULL,
  embedding vector({dimensions}) NOT NULL,
  PRIMARY KEY (document_id, position)
);
CREATE INDEX IF NOT EXISTS passages_embedding ON passages USING hnsw (embedding vector_ip_ops);
"""
"""Rows have norm 1, so the inner product is the cosine and the cheaper of the two."""

LOCK: Final = 0x7261_6700
"""Advisory lock around TABLE: two replicas creating at once would collide. The word is "rag"."""

INSERT: Final = "INSERT INTO passages VALUES ($1, $2, $3, $4::jsonb, $5::text::vector)"
DELETE: Final = "DELETE FROM passages WHERE document_id = ANY($1::text[])"
NEAREST: Final = """
SELECT document_id, position, content, metadata::text, -(embedding <#> $1::text::vector) AS score
FROM passages ORDER BY embedding <#> $1::text::vector LIMIT $2
"""


class PostgresIndex:
    """Keep passages in one table; the table is made at its first use."""

    def __init__(self, database_url: str, pool: Any) -> None:
        self._database_url = database_url
        self._pool = pool
        self._made = False
        self._making = anyio.Lock()

    @classmethod
    async def open(cls, database_url: str) -> Self:
        """Connect.

        Raises:
            SettingsError: the image has no PostgreSQL client.
            NotReadyError: the database does not answer.

        """
        try:
            import asyncpg  # noqa: PLC0415 - an extra
        except ImportError:
            raise SettingsError(
                "DATABASE_URL is set, but asyncpg is missing. Add the extra 'postgres'."
            ) from None
        async with _reported():
            return cls(
                database_url,
                await asyncpg.create_pool(database_url, min_size=1, timeout=5, command_timeout=30),
            )

    async def add(self, passages: Sequence[Passage], vectors: Sequence[Vector]) -> None:
        """Store passages, replacing every document that they belong to, in one transaction.

        Raises:
            InputError: PostgreSQL cannot hold the text, or the table holds other lengths.

        """
        await self._make(len(vectors[0]))
        rows = [
            (item.document_id, item.position, item.text, json.dumps(item.metadata), _literal(vector))
            for item, vector in zip(passages, vectors, strict=True)
        ]
        async with _reported(), self._pool.acquire() as connection, connection.transaction():
            await connection.execute(DELETE, sorted({row[0] for row in rows}))
            await connection.executemany(INSERT, rows)

    async def remove(self, document_id: str) -> bool:
        """Forget a document; False when it was not there."""
        async with _reported():
            if await self._pool.fetchval("SELECT to_regclass('passages')") is None:
                return False
            return str(await self._pool.execute(DELETE, [document_id])) != "DELETE 0"

    async def search(self, query: Vector, top_k: int) -> list[Hit]:
        """Find the nearest passages, best first; approximate, by HNSW."""
        await self._make(len(query))
        async with _reported():
            rows = await self._pool.fetch(NEAREST, _literal(query), top_k)
        return [Hit(Passage(row[0], row[1], row[2], json.loads(row[3])), float(row["score"])) for row in rows]

    async def aclose(self) -> None:
        """Close the connections."""
        await self._pool.close()

    async def _make(self, dimensions: int) -> None:
        async with self._making:
            if self._made:
                return
            async with _reported(), self._pool.acquire() as connection, connection.transaction():
                await connection.execute(f"SELECT pg_advisory_xact_lock({LOCK})")
                await connection.execute(TABLE.format(dimensions=dimensions))
            self._made = True


def _literal(vector: Vector) -> str:
    return f"[{','.join(map(repr, vector))}]"


@asynccontextmanager
async def _reported() -> AsyncIterator[None]:
    import asyncpg  # noqa: PLC0415 - an extra

    try:
        yield
    except asyncpg.DataError as exc:
        raise InputError(f"the database refuses the data: {exc}") from exc
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as exc:
        raise NotReadyError(f"the database does not answer: {type(exc).__name__}.", retry_after_s=5) from exc
