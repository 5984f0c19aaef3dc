"""Attach mounts to a container that is made ready to run: each becomes an entry of the runtime."""

import asyncio
import contextlib
import os
import shutil
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wheelhouse_engine import overlays
from wheelhouse_engine.buildah import Working
from wheelhouse_engine.copying import Copying, copy_tree
from wheelhouse_engine.masking import NO_MASK, Mask
from wheelhouse_engine.owners import parse_owner
from wheelhouse_engine.runner import Stream
from wheelhouse_engine.states import (
    CacheState,
    ContainerState,
    DirectoryState,
    FileState,
    Mount,
    SecretState,
    SocketState,
)

if TYPE_CHECKING:
    from wheelhouse_engine.engine import Engine


@dataclass(slots=True)
class Laid:
    """Hold one container made ready to run: where its mounts came from."""

    working: Working
    bundle: Path
    """Folder in memory with what the runtime is given."""
    scratch: Path
    stubs: list[Path] = field(default_factory=list)
    """Mount points that the runtime will create and that must not stay."""
    over: dict[str, overlays.Overlay] = field(default_factory=dict)
    """Copy-on-write mounts, by target."""
    copies: dict[str, Path] = field(default_factory=dict)
    """Private copies of mounted files, by target."""
    caches: Mapping[str, str] = field(default_factory=dict)
    """Names of the cache mounts' folders, by target."""
    folders: dict[str, Path] = field(default_factory=dict)
    """Folders of the cache mounts, by target."""
    files: Mapping[Stream, int] = field(default_factory=dict)
    """Descriptors of the files that outputs are redirected to."""
    stdin: bytes | None = None
    """Content of the file that standard input is redirected from."""
    mask: Mask = NO_MASK
    """Secrets that the process is given."""


@contextlib.asynccontextmanager
async def caches(engine: "Engine", state: ContainerState) -> AsyncIterator[Mapping[str, str]]:
    """Give each cache mount its folder, for as long as an exec needs it.

    SHARED: everyone's. LOCKED: the same, one exec at a time. PRIVATE: the same
    if no exec has it, else the next one that is free. Locks are taken in one
    order, so that two execs never wait for each other.
    """
    mounts = [(m.target, m.source, m.sharing) for m in state.mounts if isinstance(m.source, CacheState)]
    names = {target: cache.key for target, cache, _ in mounts}
    async with contextlib.AsyncExitStack() as stack:
        for key in sorted({cache.key for _, cache, sharing in mounts if sharing == "LOCKED"}):
            await stack.enter_async_context(engine.store.lock(f"use-{key}"))
        for target, cache, sharing in mounts:
            if sharing == "PRIVATE":
                names[target] = stack.enter_context(engine.store.first_free(f"use-{cache.key}"))[4:]
        yield names


async def attach(engine: "Engine", mount: Mount, laid: Laid) -> dict[str, Any]:
    """Return the runtime's entry of one mount; what it needs is made."""
    match mount.source:
        case DirectoryState() as directory:
            return await _attach_directory(await engine.path_of(directory), mount, laid)
        case FileState() as file:
            copy = laid.scratch / f"file-{len(laid.copies)}"
            await asyncio.to_thread(_copy_file, await engine.path_of(file), copy, mount, laid.working.path)
            laid.copies[mount.target] = copy
            return bind(str(copy), mount.target)
        case CacheState() as cache:
            laid.folders[mount.target] = await _cache_folder(engine, mount, cache, laid)
            return bind(str(laid.folders[mount.target]), mount.target)
        case SecretState() as secret:
            held = laid.bundle / f"secret-{len(list(laid.bundle.glob('secret-*')))}"
            value = await engine.secrets.plaintext(secret)
            _write_secret(held, value, mount, laid.working.path)
            return bind(str(held), mount.target, read_only=True)
        case SocketState() as socket:
            return bind(socket.path, mount.target)
        case _:
            size = [f"size={mount.size_bytes}"] if mount.size_bytes else []
            options = ["nosuid", "nodev", "mode=1777", *size]
            return {"destination": mount.target, "type": "tmpfs", "source": "tmpfs", "options": options}


async def _attach_directory(source: Path, mount: Mount, laid: Laid) -> dict[str, Any]:
    if mount.read_only:
        return bind(str(source), mount.target, read_only=True)
    overlay = overlays.Overlay.make(source, laid.scratch / f"mount-{len(laid.over)}")
    if mount.owner:
        await asyncio.to_thread(overlay.own, parse_owner(mount.owner, laid.working.path))
    laid.over[mount.target] = overlay
    return overlay.entry(mount.target)


def bind(source: str, target: str, *, read_only: bool = False) -> dict[str, Any]:
    """Return the runtime's entry that shows a path of this machine in the container."""
    options = ["rbind", "rprivate", "ro" if read_only else "rw"]
    return {"destination": target, "type": "bind", "source": source, "options": options}


def _copy_file(source: Path, copy: Path, mount: Mount, root: Path) -> None:
    shutil.copy2(source, copy)
    found = source.stat()
    os.chown(copy, *(parse_owner(mount.owner, root) if mount.owner else (found.st_uid, found.st_gid)))


def _write_secret(path: Path, value: str, mount: Mount, root: Path) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(value.encode(errors="surrogateescape"))
    if mount.owner:
        os.chown(path, *parse_owner(mount.owner, root))
    path.chmod(mount.mode)


async def _cache_folder(engine: "Engine", mount: Mount, cache: CacheState, laid: Laid) -> Path:
    """Return the folder of a cache volume, seeded and owned when it is new."""
    name = laid.caches.get(mount.target, cache.key)
    folder = engine.store.cache(name)
    engine.store.used(name)
    if not folder.exists():
        async with engine.store.lock(f"cache-{name}"):
            if not folder.exists():
                source = await engine.path_of(cache.source) if cache.source else None
                made = laid.scratch / f"cache-{name}"
                await asyncio.to_thread(_make_cache, made, source)
                made.rename(folder)
    owner = mount.owner or cache.owner
    if owner:
        os.chown(folder, *parse_owner(owner, laid.working.path))
    return folder


def _make_cache(made: Path, source: Path | None) -> None:
    made.mkdir(mode=0o755)
    if source:
        copy_tree(source, made, "/", Copying(link=False))
