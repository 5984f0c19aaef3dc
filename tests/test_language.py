"""Words of the module: those of the field, and none of a private vocabulary."""

import re
from pathlib import Path

import pytest

PIPELINE = Path(__file__).parents[1] / "pipeline"
FILES = sorted(path for path in PIPELINE.rglob("*.py") if not {"engine", "report"} & set(path.parts))
BANNED = re.compile(
    r"\b(anew|mend|vouch\w*|begun|beside|dearest|for the hand|what lacks|what of it|no whole|tells of)\b",
    re.IGNORECASE,
)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PIPELINE)))
def test_no_banned_word(path: Path) -> None:
    """Each sentence is one that the documentation of uv, Docker or httpx could have."""
    assert BANNED.findall(path.read_text()) == []


def test_a_banned_word_is_found() -> None:
    """The test above sees a word wherever it is."""
    assert BANNED.findall("Make it anew: nobody vouches for a file beside it.") == [
        "anew",
        "vouches",
        "beside",
    ]
