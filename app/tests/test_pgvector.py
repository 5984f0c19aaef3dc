"""Index in PostgreSQL: the same promises as in memory, kept over restarts."""

import os

import pytest
from rag.errors import InputError, NotReadyError
from rag.index import Passage
from rag.vectors import normalised

DATABASE_URL = os.environ.get("TEST_DATABASE_URL", "")

pytestmark = pytest.mark.skipif(not DATABASE_URL, reason="TEST_DATABASE_URL is not set")


@pytest.fixture
async def index():
    """Give an index on an empty database."""
    from rag.pgvector import PostgresIndex  # noqa: PLC0415 - needs the extra 'postgres'

    made = await PostgresIndex.open(DATABASE_URL)
    await made._pool.execute("DROP TABLE IF EXISTS passages")  # noqa: SLF001 - a clean start
    yield made
    await made.aclose()


async def fill(index) -> None:
    """Store two directions."""
    passages = [Passage(name, 0, f"go {name}", {"page": 1}) for name in ("east", "north")]
    await index.add(passages, [normalised([1, 0, 0]), normalised([0, 1, 0])])


async def test_the_nearest_comes_first_with_everything_it_had(index):
    """Text, metadata and cosine survive the database."""
    await fill(index)

    hits = await index.search(normalised([1, 0.1, 0]), 2)

    assert hits[0].passage == Passage("east", 0, "go east", {"page": 1})
    assert [hit.score for hit in hits] == pytest.approx([0.995, 0.0995], abs=0.001)


async def test_a_document_is_replaced_and_removed(index):
    """Replacing leaves one; removing tells whether there was something."""
    await fill(index)
    await index.add([Passage("east", 0, "new", {})], [normalised([0, 0, 1])])

    assert sorted(hit.passage.text for hit in await index.search(normalised([1, 1, 1]), 5)) == [
        "go north",
        "new",
    ]
    assert [await index.remove("east"), await index.remove("east")] == [True, False]


async def test_an_empty_database_finds_and_removes_nothing(index):
    """The table is made at its first use."""
    assert await index.remove("east") is False
    assert await index.search(normalised([1, 0, 0]), 3) == []


async def test_passages_outlive_the_process(index):
    """A second replica sees what the first stored."""
    await fill(index)
    other = await type(index).open(DATABASE_URL)

    assert len(await other.search(normalised([1, 0, 0]), 5)) == 2
    await other.aclose()


async def test_what_the_database_cannot_hold_is_an_input_error(index):
    """NUL in a text, and vectors of another length."""
    await fill(index)

    with pytest.raises(InputError):
        await index.add([Passage("b", 0, "nul \x00", {})], [normalised([1, 0, 0])])
    with pytest.raises(InputError):
        await index.search(normalised([1, 0]), 1)


async def test_an_unreachable_database_is_not_ready(index):
    """The message shows no address and no password."""
    with pytest.raises(NotReadyError) as caught:
        await type(index).open("postgresql://me:hunter2@127.0.0.1:1/x")
    assert "hunter2" not in caught.value.message
