"""Read and write amounts of disk space as people do."""

import re
from typing import Final

UNITS: Final = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
BINARY: Final = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
SIZE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(i?)B?", re.IGNORECASE)


def parse_size(text: str) -> int:
    """Read `10GB`, `1.5GiB` or `1000` as bytes; raises ValueError."""
    found = SIZE.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no size, expected one such as 10GB or 500MiB")
    number, unit, binary = found.groups()
    return int(float(number) * (BINARY if binary else UNITS)[unit.upper()])


def spell_size(size_bytes: int) -> str:
    """Write bytes for people: `1.2 GB`, units of 1000."""
    size = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:  # noqa: PLR2004 - the step between units
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
