"""Know which sessions live, and clean up after those that died."""

import contextlib
import json
import os
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from wheelhouse_engine.buildah import Buildah
from wheelhouse_engine.containers import Containers
from wheelhouse_engine.errors import StoreError
from wheelhouse_engine.layerstack import LayerStack
from wheelhouse_engine.mounting import mounts_below, release, unmount
from wheelhouse_engine.network import Network, network_name
from wheelhouse_engine.privileges import is_machine_root
from wheelhouse_engine.store import Store


@dataclass(frozen=True, slots=True)
class Registration:
    """Be the file that says this process has a session: its pid and when that pid started."""

    store: Store
    name: str

    @classmethod
    @contextlib.asynccontextmanager
    async def new(cls, store: Store, memory: Path) -> AsyncIterator["Registration"]:
        """Register this process; the file and the scratch folder are removed at the end."""
        number = len(list((store.root / "sessions").glob(f"wheelhouse-{os.getpid()}-*")))
        name = f"wheelhouse-{os.getpid()}-{started(os.getpid())}-{number}"
        path = store.root / "sessions" / name
        document = {"pid": os.getpid(), "started": started(os.getpid()), "memory": str(memory)}
        path.write_text(json.dumps(document))
        try:
            async with store.lock("prune"):
                pass  # what is being removed now is gone before this session looks at anything
            yield cls(store, name)
        finally:
            shutil.rmtree(store.root / "work" / name, ignore_errors=True)
            path.unlink(missing_ok=True)
            if not any(alive(other) for other in (store.root / "sessions").iterdir()):
                release(store.storage)  # skopeo mounts storage's folder on itself and leaves it so

    async def clean(self, buildah: Buildah, network: Network) -> str:
        """Put right what damage and dead sessions left; return what was lost by it, as one sentence."""
        healed = self._heal()
        await self._reap(buildah, network)
        return healed

    def _heal(self) -> str:
        """Remove images when an index of theirs is damaged: all are made again. Return what was done.

        Raises StoreError while another session uses them.
        """
        storage = self.store.storage
        damaged = LayerStack(storage).damaged()
        if not damaged:
            return ""
        what = f"{', '.join(damaged)} in {storage} cannot be read"
        others = [path for path in (self.store.root / "sessions").iterdir() if path.name != self.name]
        if any(alive(path) for path in others):
            raise StoreError(f"{what}. End the other sessions of this store and run again.")
        for point in mounts_below(storage):
            unmount(point)
        for folder in (storage, self.store.runroot):
            shutil.rmtree(folder, ignore_errors=True)
        storage.mkdir()
        return f"{what}; images are made again"

    async def _reap(self, buildah: Buildah, network: Network) -> None:
        """End what dead sessions left: processes, containers, mounts, scratch folders."""
        containers = [name for name in buildah.stack.containers() if name.startswith("wheelhouse-")]
        sessions = list((self.store.root / "sessions").iterdir())
        dead = {path.name for path in sessions if not alive(path)}
        # A session that could not remove its containers, on a full disk say, is not registered any more.
        known = {path.name for path in sessions} - dead
        left = [name for name in containers if name.rpartition("-")[0] not in known]
        if not dead and not left:
            return
        async with self.store.lock("reap"):
            for name in dead:
                await _end_containers(_memory_of(self.store.root / "sessions" / name), buildah)
            await buildah.reap(left)
            if is_machine_root():
                await network.reap({network_name(name) for name in dead})
            for name in dead:
                shutil.rmtree(self.store.root / "work" / name, ignore_errors=True)
                (self.store.root / "sessions" / name).unlink(missing_ok=True)


def started(pid: int) -> str:
    """Return when a process started, in clock ticks since boot; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


def _memory_of(path: Path) -> Path:
    """Return the folder in memory of a registration; a path that is nowhere when it is damaged."""
    try:
        return Path(json.loads(path.read_text())["memory"])
    except (OSError, ValueError, KeyError):
        return Path("/nonexistent")


def alive(path: Path) -> bool:
    """Say whether the process of a registration still runs; a pid may be in use again."""
    try:
        data = json.loads(path.read_text())
        return bool(data["started"]) and started(int(data["pid"])) == str(data["started"])
    except (OSError, ValueError, KeyError):
        return False


async def _end_containers(memory: Path, buildah: Buildah) -> None:
    """End the containers of a dead session: they outlive an engine that was killed.

    runc knows them by what it noted in the session's folder in memory, and tells
    a process id that is in use again by its start.
    """
    for point in mounts_below(memory):
        unmount(point)
    await Containers(buildah.runner, memory / "runc", buildah.environ).discard_all()
    shutil.rmtree(memory, ignore_errors=True)
