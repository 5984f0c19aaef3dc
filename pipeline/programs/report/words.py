"""Numbers and texts as people read them."""

from datetime import UTC, datetime
from typing import Final

LONGEST: Final = 400
"""Characters of a message that stand outside its details."""


def mb(size: float | None) -> str:
    """Return bytes as MB (10^6 bytes) with one digit; a dash for None."""
    return "-" if size is None else f"{size / 1e6:.1f}"


def seconds(spent: float | None) -> str:
    """Return seconds as people say them; "" for None."""
    if spent is None:
        return ""
    if spent >= 60:  # noqa: PLR2004 - a minute
        return f"{spent / 60:.1f} min"
    return f"{spent:.1f} s" if spent >= 0.1 else f"{spent * 1000:.0f} ms"  # noqa: PLR2004 - two digits do


def moment(time: str) -> str:
    """Return an ISO 8601 time as `2026-11-21 15:52 UTC`."""
    return f"{datetime.fromisoformat(time).astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def first_line(message: str) -> str:
    """Return the first line of a message, cut to LONGEST."""
    line = next((one.strip() for one in message.splitlines() if one.strip()), "")
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"
