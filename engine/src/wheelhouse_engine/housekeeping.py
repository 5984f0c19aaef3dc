"""Keep the store from filling the disk: prune it at the end of a session, when it has grown too large.

Asking costs one small file and one system call. The store is measured, which
takes seconds, only when the disk has lost so much space since the last time that
a limit may be broken. What a running session may use is never touched.
"""

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wheelhouse_engine.diskspace import free_bytes
from wheelhouse_engine.errors import StoreError
from wheelhouse_engine.sizes import parse_size, spell_size

if TYPE_CHECKING:
    from wheelhouse_engine.store import Store

KEEP_VARIABLE: Final = "WHEELHOUSE_KEEP_STORAGE"
FREE_VARIABLE: Final = "WHEELHOUSE_MIN_FREE"
KEEP_BYTES: Final = 50 * 10**9
"""A choice: the bases, wheels and models of some services, and a week of their images."""
KEEP_SHARE: Final = 0.75
"""Of the disk. Source: Dagger's default of maxUsedSpace."""
FREE_BYTES: Final = 10 * 10**9
FREE_SHARE: Final = 0.1
"""Of the disk; the smaller of both counts."""
RESERVED_BYTES: Final = 10 * 10**9
"""Kept even when others fill the disk, as Dagger's reservedSpace: a store emptied each time is none."""
TARGET_SHARE: Final = 0.8
"""Of the limit: pruning goes further than it must, so that it does not come back at once."""
PAUSE_S: Final = 600
"""Before the store is measured again when there was nothing to remove."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Say how large the store may become."""

    keep_bytes: int
    """Most that the store holds; 0 is no limit."""
    min_free_bytes: int
    """Least that the disk has free; 0 is no limit."""
    reserved_bytes: int = RESERVED_BYTES

    @classmethod
    def of(cls, environ: Mapping[str, str], root: Path) -> "Limits":
        """Read the limits from the environment; raises StoreError for what is no size."""
        found = os.statvfs(root)
        disk = found.f_blocks * found.f_frsize
        keep = _given(environ, KEEP_VARIABLE, min(KEEP_BYTES, int(disk * KEEP_SHARE)))
        free = _given(environ, FREE_VARIABLE, min(FREE_BYTES, int(disk * FREE_SHARE)))
        return cls(keep, free)

    @property
    def target_bytes(self) -> int:
        """Return what is left when more than `keep_bytes` were held."""
        return int(self.keep_bytes * TARGET_SHARE)

    def allowed(self, held: int, free: int) -> int:
        """Return how much of `held` may stay; `held` itself when no limit is broken."""
        allowed = held
        if self.keep_bytes and held > self.keep_bytes:
            allowed = self.target_bytes
        if free < self.min_free_bytes:
            allowed = min(allowed, max(held - (self.min_free_bytes - free), self.reserved_bytes))
        return min(allowed, held)


@dataclass(frozen=True, slots=True)
class Measured:
    """Hold what the store held when it was last measured."""

    held: int
    free: int
    """Free space of the disk at that time."""
    when: float
    removed: int = 0

    @classmethod
    def read(cls, path: Path) -> "Measured | None":
        """Read the note; a damaged one counts as none."""
        try:
            return cls(**json.loads(path.read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def largest(self, free: int) -> int:
        """Return the most that the store may hold now: as if all that the disk lost went into it."""
        return self.held + max(0, self.free - free)


def tidy(store: "Store", limits: Limits, now: float | None = None) -> str:
    """Prune if a limit is broken; return one line for people, empty when nothing was removed."""
    now = time.time() if now is None else now
    free, known = free_bytes(store.root), last_measured(store)
    if _surely_within(store, limits, known, free):
        return ""
    if known is not None and not known.removed and 0 <= now - known.when < PAUSE_S:
        return ""
    from wheelhouse_engine import pruning  # noqa: PLC0415 - only when there may be something to remove

    held = sum(item.size_bytes for item in pruning.items(store))
    allowed = limits.allowed(held, free)
    freed = store.prune(max(allowed, 1)) if allowed < held else 0
    note = Measured(held - freed, free_bytes(store.root), now, freed)
    _note(store).write_text(json.dumps({name: getattr(note, name) for name in note.__dataclass_fields__}))
    if not freed:
        return ""
    return (
        f"the store {store.root} held {spell_size(held)} with {spell_size(free)} free on its disk; removed "
        f"{spell_size(freed)} that was unused for longest ({KEEP_VARIABLE}, {FREE_VARIABLE} set limits)"
    )


def last_measured(store: "Store") -> Measured | None:
    """Return what the store held when it was last measured, if it ever was."""
    return Measured.read(_note(store))


def _surely_within(store: "Store", limits: Limits, known: Measured | None, free: int) -> bool:
    """Say whether no limit can be broken, without looking at what the store holds."""
    if free < limits.min_free_bytes:
        return False
    found = os.statvfs(store.root)
    used = (found.f_blocks - found.f_bfree) * found.f_frsize
    most = min(used, known.largest(free)) if known else used
    return not limits.keep_bytes or most <= limits.keep_bytes


def _note(store: "Store") -> Path:
    return store.root / "measured.json"


def _given(environ: Mapping[str, str], name: str, default: int) -> int:
    text = environ.get(name)
    if not text:
        return default
    try:
        return parse_size(text)
    except ValueError as error:
        raise StoreError(f"{name}: {error}; 0 is no limit") from error
