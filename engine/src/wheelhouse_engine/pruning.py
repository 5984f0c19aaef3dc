"""Free disk space: remove what was not used for longest, never what a live session may hold.

A session touches what it uses (`Store.used`), so whatever it may still hold
was used after it registered: nothing used since the oldest live session began
is removed. A session that begins while the store is pruned waits for the end.
"""

import json
import os
import stat
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from wheelhouse_engine.layerstack import LayerStack

if TYPE_CHECKING:
    from wheelhouse_engine.store import Store

Kind = Literal["tree", "image", "cache", "blob", "record", "module"]
BLOCK_BYTES: Final = 512
"""Unit of st_blocks."""
BATCH: Final = 100
"""Images removed by one call."""
YOUNG_S: Final = 60
"""What is younger may belong to an operation that has not recorded it yet."""


@dataclass(frozen=True, slots=True)
class Item:
    """Be one thing that can be removed by itself."""

    kind: Kind
    name: str
    used: float
    """When it was last used, seconds since 1970."""
    size_bytes: int
    """Its share of the disk: a file of two names counts half here and half there."""
    path: Path | None = None


def items(store: "Store") -> list[Item]:
    """Return what the store holds, the longest unused first."""
    places: tuple[tuple[Kind, Path], ...] = (
        ("tree", store.trees),
        ("cache", store.root / "caches"),
        ("module", store.modules),
    )
    folders = [item for kind, base in places for item in _folders(store, kind, base)]
    return sorted([*folders, *_images(store), *_files(store)], key=lambda item: item.used)


def prune(store: "Store", keep_bytes: int) -> int:
    """Remove until at most `keep_bytes` are held; return how many bytes were freed."""
    with store.exclusive("prune"):
        alive = store.live_sessions()
        now = time.time()
        if any(began > now for began in alive):
            return 0  # the clock was moved back: what is in use cannot be told apart
        before = min([now - YOUNG_S if keep_bytes else now, *alive])
        listed = items(store)
        excess = sum(item.size_bytes for item in listed) - keep_bytes
        chosen: list[Item] = []
        for item in listed:
            if excess <= 0:
                break
            if item.used < before and not (alive and item.kind == "blob"):
                chosen.append(item)
                excess -= item.size_bytes
        _remove_images(store, [item.name for item in chosen if item.kind == "image"])
        for item in chosen:
            if item.path is not None:
                _remove(item.path)
            store.unused(item.name)
        gone = {item.name for item in chosen if item.kind == "image"} - LayerStack(store.storage).images()
        _forget(store, gone)
        kept = {item.name for item in chosen if item.kind == "image"} - gone
        _sweep(store, free_locks=not alive)
        return sum(item.size_bytes for item in chosen if item.name not in kept)


def _folders(store: "Store", kind: Kind, base: Path) -> Iterator[Item]:
    for entry in os.scandir(base):
        if entry.is_dir(follow_symlinks=False):
            path = Path(entry.path)
            yield Item(kind, entry.name, store.last_use(entry.name, path), held_bytes(path), path)


def _images(store: "Store") -> Iterator[Item]:
    stack = LayerStack(store.storage)
    chains = {image: stack.layers(image) for image in stack.images()}
    users = Counter(layer for chain in chains.values() for layer in chain)
    sizes = {layer: held_bytes(stack.folder(layer) / "diff") for layer in users}
    for image, chain in chains.items():
        own = sum(sizes[layer] for layer in chain if users[layer] == 1)
        used = store.last_use(image, stack.note(image))
        yield Item("image", image, used, own)


def _files(store: "Store") -> Iterator[Item]:
    places: tuple[tuple[Kind, Path], ...] = (
        ("blob", store.root / "blobs" / "sha256"),
        ("blob", store.root / "bytecode"),
        ("record", store.root / "records"),
    )
    for kind, base in places:
        for path in base.rglob("*"):
            found = path.lstat()
            if stat.S_ISREG(found.st_mode):
                yield Item(kind, path.stem, found.st_mtime, found.st_blocks * BLOCK_BYTES, path)


def held_bytes(path: Path) -> int:
    """Return the disk space of a folder; of a file with two names, half."""
    total = 0.0
    pending = [os.fspath(path)]
    while pending:
        try:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    found = entry.stat(follow_symlinks=False)
                    if stat.S_ISDIR(found.st_mode):
                        pending.append(entry.path)
                        total += found.st_blocks * BLOCK_BYTES
                    else:
                        total += found.st_blocks * BLOCK_BYTES / found.st_nlink
        except FileNotFoundError:
            continue  # another session removed it
    return int(total)


def _remove(path: Path) -> None:
    """Remove a file, or a folder at once: renamed away first, so that no half of it is ever found."""
    from wheelhouse_engine.staging import remove_tree  # noqa: PLC0415 - only when something goes

    if path.is_dir():
        away = path.with_name(f".gone-{path.name}-{os.getpid()}")
        path.rename(away)
        remove_tree(away)
    else:
        path.unlink(missing_ok=True)


def _remove_images(store: "Store", images: list[str]) -> None:
    """Remove images; one that a working container uses stays."""
    command = ["buildah", "--root", str(store.storage), "--runroot", str(store.runroot), "rmi"]
    for start in range(0, len(images), BATCH):
        subprocess.run([*command, *images[start : start + BATCH]], capture_output=True, check=False)


def _sweep(store: "Store", *, free_locks: bool) -> None:
    """Remove seals of what is gone; without sessions, the files that were locked once."""
    held = {path.name for path in store.trees.iterdir()}
    store.seals.sweep(held | {path.name for path in (store.storage / "overlay").glob("*")})
    if free_locks:  # a session that begins now waits for the end of pruning
        for path in (store.root / "locks").iterdir():
            if path.name != "prune":
                path.unlink(missing_ok=True)


def _forget(store: "Store", images: set[str]) -> None:
    """Remove the records that name images which are gone."""
    for path in (store.root / "records").rglob("*.json"):
        try:
            if json.loads(path.read_text()).get("image") in images:
                path.unlink(missing_ok=True)
        except (OSError, ValueError, AttributeError):
            path.unlink(missing_ok=True)
