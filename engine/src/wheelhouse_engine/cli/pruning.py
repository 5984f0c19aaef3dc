"""Free disk space: `wheelhouse prune`."""

import sys

from wheelhouse_engine.cli.failures import UsageError
from wheelhouse_engine.cli.project import Settings
from wheelhouse_engine.sizes import parse_size, spell_size


def prune(keep_storage: str, settings: Settings) -> int:
    """Remove from the store until at most `keep_storage` is kept, and say how much was freed."""
    from wheelhouse_engine.store import Store  # noqa: PLC0415 - after the size was found legal

    try:
        keep_bytes = parse_size(keep_storage)
    except ValueError as error:
        raise UsageError(
            f'invalid argument "{keep_storage}" for "--keep-storage" flag: {error}', "wheelhouse prune"
        ) from error
    freed = Store.open(settings.environ).prune(keep_bytes)
    sys.stdout.write(f"freed {spell_size(freed)}\n")
    return 0
