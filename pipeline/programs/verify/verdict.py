"""A promise, what was seen of it, and the verdict."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Generic, TypeVar

T = TypeVar("T")
LISTED: Final = 6
"""Offenders that a verdict names; the rest is counted."""


class CannotTellError(Exception):
    """A check that has nothing to look at, or may not look: skipped, never passed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is known about one promise."""

    name: str
    status: str
    """passed, failed or skipped."""
    reason: str = ""
    """Why it was skipped."""
    found: str = ""
    expected: str = ""
    do: str = ""
    """What to change."""

    @property
    def line(self) -> dict[str, Any]:
        """Return the verdict as JSON has it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Observation:
    """What a look gave."""

    wrong: Sequence[str] = ()
    """Offenders, one text each; none: the promise is kept."""
    looked: str = ""
    """What was looked at, said where the promise is kept."""


@dataclass(frozen=True, slots=True)
class Promise(Generic[T]):
    """One thing that every image keeps, and how to see it."""

    name: str
    look: Callable[[T], Observation]
    expected: str
    do: str

    def judge(self, subject: T) -> Verdict:
        """Return the verdict about a subject; a look that breaks off is a failure."""
        try:
            seen = self.look(subject)
        except CannotTellError as reason:
            return Verdict(name=self.name, status="skipped", reason=str(reason), expected=self.expected)
        except Exception as error:  # noqa: BLE001 - a check that breaks off has proven nothing
            found = f"the check broke off: {type(error).__name__}: {error}"
            return Verdict(
                name=self.name, status="failed", found=found, expected=self.expected, do="Report it."
            )
        if seen.wrong:
            return self._failed(listed(seen.wrong))
        return Verdict(name=self.name, status="passed", found=seen.looked, expected=self.expected)

    def _failed(self, found: str) -> Verdict:
        return Verdict(name=self.name, status="failed", found=found, expected=self.expected, do=self.do)


def listed(wrong: Sequence[str]) -> str:
    """Return the first offenders as one text, with the number of the others."""
    more = len(wrong) - LISTED
    return "; ".join(wrong[:LISTED]) + (f"; and {more} more" if more > 0 else "")


def judged(promises: Iterable[Promise[T]], subject: T) -> list[Verdict]:
    """Return the verdict about each promise, whatever the others gave."""
    return [promise.judge(subject) for promise in promises]
