"""Try again what may pass: full jitter, and never sooner than the registry asks."""

import datetime as dt
import email.utils
import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from oci.errors import TransientError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how long a registry is waited for."""

    tries: int = 6
    """Source: DESIGN of the publish stage; go-containerregistry tries 3 times, Nix 5."""
    first_wait_s: float = 0.5
    """Upper end of the first wait; doubled after each try."""
    longest_wait_s: float = 20.0
    longest_asked_s: float = 120.0
    """A Retry-After beyond this ends the command: a job's minutes are better spent later."""

    def attempt(self, what: str, operation: Callable[[], T]) -> T:
        """Return what the operation returns, tried again while it raises TransientError.

        Raises:
            TransientError: the last try failed too, or the registry asks for a longer wait than is given.

        """
        for number in range(1, self.tries + 1):
            try:
                return operation()
            except TransientError as error:
                if number == self.tries or error.wait_s > self.longest_asked_s:
                    raise TransientError(f"{what}: {error} (try {number} of {self.tries})") from error
                wait_s = self.wait_s(number, error.wait_s)
                print(f"{what}: {error}; try {number + 1} in {wait_s:.1f} s", file=sys.stderr)
                time.sleep(wait_s)
        raise AssertionError("unreachable")

    def wait_s(self, number: int, asked_s: float) -> float:
        """Return the seconds before the next try: what was asked, plus a random part of the doubled wait."""
        longest = min(self.longest_wait_s, self.first_wait_s * 2 ** (number - 1))
        return asked_s + random.uniform(0, longest)  # noqa: S311 - spreads clients, hides nothing


def asked_wait_s(value: str | None, now: dt.datetime | None = None) -> float:
    """Return the seconds that a Retry-After header asks for; 0 for none or nonsense.

    Source: RFC 9110 §10.2.3, seconds or an HTTP date.
    """
    if not value:
        return 0.0
    if value.isascii() and value.strip().isdigit():
        return float(value)
    try:
        until = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return 0.0
    if until.tzinfo is None:
        until = until.replace(tzinfo=dt.UTC)
    return max(0.0, (until - (now or dt.datetime.now(dt.UTC))).total_seconds())
