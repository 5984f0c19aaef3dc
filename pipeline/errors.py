"""What the pipeline refuses, and how it says so.

PipelineError           every refusal of ours; a failed process stays a dagger.ExecError
├── ConfigError         [tool.wheelhouse] or the project table is wrong
├── LockError           requirements are missing, not pinned by hash, or stale
└── ChecksFailedError   several checks failed; one line for each
"""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Self


class PipelineError(Exception):
    """Refuse, and say what was found, what was expected and what to do."""

    @classmethod
    def of(cls, found: str, *, expected: str, do: str) -> Self:
        """Return the error whose text is "found; expected … . Do."."""
        return cls(f"{found}; expected {expected}. {do}")


class ConfigError(PipelineError):
    """The project's pyproject.toml does not say what the pipeline must know."""


class LockError(PipelineError):
    """A requirement list is missing, unpinned or older than the project."""


class ChecksFailedError(PipelineError):
    """Several independent checks failed; every one is listed."""

    @classmethod
    def gathered(cls, title: str, lines: Sequence[str], do: str = "") -> Self:
        """Return one error that lists every line under the title, and what to do about all of them."""
        listed = [f"{title}: {len(lines)} failed", *(f"  - {line}" for line in lines), do]
        return cls("\n".join(listed).rstrip())


def near_miss(word: str, known: Iterable[str]) -> str:
    """Return ", did you mean 'x'?" for the nearest known word, or "" when none is near."""
    matches = get_close_matches(word, list(known), n=1)
    return f", did you mean {matches[0]!r}?" if matches else ""
