"""How grave a vulnerability is, from the CVSS vectors of its records.

The scores are computed by the library cvss: version 4 ranks 270 classes of vectors in a table that is
not worth a copy of our own.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from cvss import CVSS2, CVSS3, CVSS4  # type: ignore[import-not-found]
from cvss.exceptions import CVSSError  # type: ignore[import-not-found]

CALCULATORS: Final = {"CVSS_V2": CVSS2, "CVSS_V3": CVSS3, "CVSS_V4": CVSS4}
BOUNDS: Final = ((9.0, "critical"), (7.0, "high"), (4.0, "medium"), (0.1, "low"))
"""Source: CVSS 3.1 and 4.0, qualitative severity rating scale."""
WORDS: Final = {
    "LOW": "low",
    "MODERATE": "medium",
    "MEDIUM": "medium",
    "HIGH": "high",
    "CRITICAL": "critical",
}


@dataclass(frozen=True, slots=True)
class Severity:
    """A rating; score and vector are absent where a record only gives a word."""

    rating: str = "unknown"
    score: float | None = None
    vector: str = ""


def severity(records: Iterable[dict[str, Any]]) -> Severity:
    """Return the gravest rating that any of the records supports; unknown where none has one."""
    records = list(records)
    scored = sorted(_scored(records))
    if scored:
        score, vector = scored[-1]
        return Severity(rating(score), score, vector)
    notes = [one["database_specific"] for one in records if isinstance(one.get("database_specific"), dict)]
    words = [str(one.get("severity", "")).upper() for one in notes]
    known = [word for word in WORDS if word in words]
    return Severity(WORDS[known[-1]]) if known else Severity()


def rating(score: float) -> str:
    """Return the word for a base score of 0 to 10."""
    return next((word for bound, word in BOUNDS if score >= bound), "none")


def _scored(records: Iterable[dict[str, Any]]) -> Iterator[tuple[float, str]]:
    """Yield (score, vector) of every vector that can be read."""
    for record in records:
        for one in record.get("severity") or []:
            calculator = CALCULATORS.get(str(one.get("type")))
            try:
                if calculator:
                    yield float(calculator(one["score"]).scores()[0]), str(one["score"])
            except (CVSSError, KeyError, TypeError, AttributeError):
                continue
