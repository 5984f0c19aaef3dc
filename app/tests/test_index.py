"""Index in memory: nearest passages, with and without numpy."""

from importlib.util import find_spec

import pytest
from rag.errors import IndexFullError, InputError
from rag.index import MemoryIndex, Passage
from rag.vectors import normalised

ROWS = {"east": [1, 0, 0], "north": [0, 1, 0], "north-east": [1, 1, 0]}


@pytest.fixture(params=["numpy", "array"])
def index(request) -> MemoryIndex:
    """Give an empty index of each kind that can be had here."""
    if request.param == "numpy" and find_spec("numpy") is None:
        pytest.skip("numpy is not installed: this variant compares without it")
    made = MemoryIndex(5)
    made._numpy = request.param == "numpy"  # noqa: SLF001 - the seam between the two kernels
    return made


async def fill(index: MemoryIndex) -> None:
    """Store the three directions."""
    passages = [Passage(name, 0, f"go {name}", {"n": 1}) for name in ROWS]
    await index.add(passages, [normalised(row) for row in ROWS.values()])


async def test_the_nearest_comes_first(index):
    """Scores are cosines, best first."""
    await fill(index)

    hits = await index.search(normalised([1, 0.1, 0]), 2)

    assert [hit.passage.document_id for hit in hits] == ["east", "north-east"]
    assert hits[0].score == pytest.approx(0.995, abs=0.001)


async def test_an_empty_index_finds_nothing(index):
    """No passage, no hit, no error."""
    assert await index.search(normalised([1, 0, 0]), 3) == []


async def test_a_document_is_replaced_whole(index):
    """The second version has no passage of the first."""
    await fill(index)
    await index.add([Passage("east", 0, "new", {})], [normalised([0, 0, 1])])

    hits = await index.search(normalised([1, 0, 0]), 5)

    assert sorted(hit.passage.text for hit in hits) == ["go north", "go north-east", "new"]


async def test_a_removed_document_is_not_found(index):
    """Removing tells whether there was something to remove."""
    await fill(index)

    assert [await index.remove("east"), await index.remove("east")] == [True, False]
    assert len(await index.search(normalised([1, 0, 0]), 5)) == 2


async def test_an_emptied_index_takes_other_lengths(index):
    """After the last document is gone, a new model may fill it."""
    await fill(index)
    for name in ROWS:
        await index.remove(name)
    await index.add([Passage("a", 0, "a", {})], [normalised([1, 2])])

    assert len(await index.search(normalised([1, 2]), 5)) == 1


async def test_more_than_the_cap_is_refused_and_nothing_changes(index):
    """A full index keeps what it has."""
    await fill(index)

    with pytest.raises(IndexFullError, match="6 passages are more than MAX_PASSAGES=5"):
        await index.add([Passage("b", place, "b", {}) for place in range(3)], [normalised([1, 0, 0])] * 3)
    assert len(await index.search(normalised([1, 0, 0]), 9)) == 3


async def test_vectors_of_another_length_are_refused(index):
    """A change of model is told, not mixed in."""
    await fill(index)

    with pytest.raises(InputError, match="holds vectors of 3 numbers"):
        await index.add([Passage("b", 0, "b", {})], [normalised([1, 2])])
    with pytest.raises(InputError, match="holds vectors of 3 numbers"):
        await index.search(normalised([1, 2]), 1)
