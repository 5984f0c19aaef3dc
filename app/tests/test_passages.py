"""Passages: documents cut where a reader would."""

import pytest
from rag.index import Hit, Passage
from rag.passages import prompt, split


@pytest.mark.parametrize(
    "text", ["", " \n ", "short", "word " * 500, "x" * 2500, "One. Two!\n\nThree? " * 90]
)
def test_no_word_is_lost(text):
    """Joined without white space, the pieces are the text."""
    assert "".join("".join(split(text, 100)).split()) == "".join(text.split())


@pytest.mark.parametrize("text", ["word " * 500, "x" * 2500, "One. Two!\n\nThree? " * 90])
def test_every_piece_fits(text):
    """No piece is longer than the limit, none is empty."""
    assert all(0 < len(piece) <= 100 for piece in split(text, 100))


def test_a_paragraph_ends_a_piece_before_a_sentence_does():
    """The better break wins although another is nearer to the limit."""
    first, *_ = split("a" * 60 + "\n\n" + "b" * 20 + ". " + "c" * 60, 100)

    assert first == "a" * 60


def test_a_sentence_ends_a_piece_before_a_word_does():
    """A sentence is kept whole where it fits."""
    first, *_ = split("Alpha beta gamma. " + "delta " * 10, 30)

    assert first == "Alpha beta gamma."


def test_the_prompt_numbers_its_passages():
    """The answer can cite [1] and [2]."""
    hits = [Hit(Passage("d", place, text, {}), 1.0) for place, text in enumerate(("red", "blue"))]

    user = prompt("Which?", hits)[1]["content"]

    assert "[1] red\n\n[2] blue\n\nQuestion: Which?" in user
