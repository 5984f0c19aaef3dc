"""Free disk space: `wheelhouse prune`."""

import re
import sys
from typing import Final

from pipeline.engine.cli.failures import UsageError
from pipeline.engine.cli.project import Settings

_UNITS: Final = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_BINARY: Final = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(i?)B?", re.IGNORECASE)


def prune(keep_storage: str, settings: Settings) -> int:
    """Remove from the store until at most `keep_storage` is kept, and say how much was freed."""
    from pipeline.engine.store import Store  # noqa: PLC0415 - after the size was found legal

    keep_bytes = parse_size(keep_storage)
    freed = Store.open(settings.environ).prune(keep_bytes)
    sys.stdout.write(f"freed {spell_size(freed)}\n")
    return 0


def parse_size(text: str) -> int:
    """Read `10GB`, `1.5GiB` or `1000` as bytes.

    Raises:
        UsageError: the text is no size.

    """
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise UsageError(
            f'invalid argument "{text}" for "--keep-storage" flag: expected a size such as 10GB or 500MiB',
            "wheelhouse prune",
        )
    number, unit, binary = found.groups()
    return int(float(number) * (_BINARY if binary else _UNITS)[unit.upper()])


def spell_size(size_bytes: int) -> str:
    """Write bytes for people: `1.2 GB`, units of 1000."""
    size = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:  # noqa: PLR2004 - the step between units
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
