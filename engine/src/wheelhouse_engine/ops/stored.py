"""Engine: what the store holds, for programs that ask."""

import asyncio
from typing import Any

from wheelhouse_engine import pruning
from wheelhouse_engine.engine import Engine
from wheelhouse_engine.graph import Op
from wheelhouse_engine.handlers import operation
from wheelhouse_engine.housekeeping import Limits
from wheelhouse_engine.ops.values import many


@operation("Query.engine", "Engine.localCache", "EngineCache.entrySet")
async def place(_engine: Engine, _op: Op) -> None:
    """Lead to the store: there is one."""


@operation("Engine.name")
async def name(_engine: Engine, _op: Op) -> str:
    """Name this engine."""
    return "wheelhouse embedded"


@operation("Engine.clients")
async def clients(engine: Engine, _op: Op) -> list[str]:
    """List the sessions on this store: each is one client's."""
    return sorted(path.name for path in (engine.store.root / "sessions").iterdir())


@operation(
    "EngineCache.maxUsedSpace",
    "EngineCache.minFreeSpace",
    "EngineCache.reservedSpace",
    "EngineCache.targetSpace",
)
async def limit(engine: Engine, op: Op) -> int:
    """Return a limit of the store, in bytes; 0 is none. See housekeeping.py."""
    limits = Limits.of(engine.environ, engine.store.root)
    return {
        "maxUsedSpace": limits.keep_bytes,
        "minFreeSpace": limits.min_free_bytes,
        "reservedSpace": limits.reserved_bytes,
        "targetSpace": limits.target_bytes,
    }[op.field]


@operation("EngineCache.prune")
async def prune(engine: Engine, _op: Op) -> None:
    """Remove everything that no live session, this one included, may hold."""
    await asyncio.to_thread(engine.store.prune, 0)


async def _items(engine: Engine) -> list[pruning.Item]:
    return await asyncio.to_thread(pruning.items, engine.store)


@operation("EngineCacheEntrySet.entryCount")
async def count(engine: Engine, _op: Op) -> int:
    """Return how many things the store holds."""
    return len(await _items(engine))


@operation("EngineCacheEntrySet.diskSpaceBytes")
async def size(engine: Engine, _op: Op) -> int:
    """Return the disk space of what the store holds."""
    return sum(item.size_bytes for item in await _items(engine))


@operation("EngineCacheEntrySet.entries")
async def entries(engine: Engine, op: Op) -> list[Op]:
    """List what the store holds, the longest unused first."""
    return many(engine, op, [_entry(item) for item in await _items(engine)])


def _entry(item: pruning.Item) -> dict[str, Any]:
    return {
        "description": f"{item.kind} {item.name}",
        "diskSpaceBytes": item.size_bytes,
        "createdTimeUnixNano": 0,
        "mostRecentUseTimeUnixNano": int(item.used * 1e9),
        "activelyUsed": False,
        "recordType": item.kind,
        "recordTypes": [item.kind],
        "dagqlCall": "",
    }
