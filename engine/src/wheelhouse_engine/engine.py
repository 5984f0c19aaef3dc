"""Evaluate operations: each at most once, in flight or ever, as far as the store knows."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from wheelhouse_engine.bases import BaseImages
from wheelhouse_engine.containers import Containers
from wheelhouse_engine.errors import EngineError, UnsupportedError
from wheelhouse_engine.graph import Op
from wheelhouse_engine.handlers import EFFECTS, HANDLERS, Handler
from wheelhouse_engine.registry import Registry
from wheelhouse_engine.runner import Runner
from wheelhouse_engine.services import Services
from wheelhouse_engine.snapshots import Snapshots
from wheelhouse_engine.states import (
    ContainerState,
    DirectoryState,
    FileState,
    Mount,
    SecretState,
    Snapshot,
)
from wheelhouse_engine.terminals import Terminal


@dataclass(slots=True, kw_only=True)
class Engine(Snapshots):
    """Hold one session's evaluation: memo, registry, services."""

    runner: Runner
    environ: Mapping[str, str]
    """The caller's environment: what `env://` secrets are read from."""
    workdir: Path
    """What relative host paths start at."""
    services: Services
    containers: Containers
    module: Path | None = None
    """Folder of the dagger.json whose functions run in this session; None for any other client."""
    module_workdir: Path | None = None
    """Folder in which these functions run."""
    terminal: Terminal = field(default_factory=Terminal)
    _memo: dict[str, asyncio.Future[Any]] = field(default_factory=dict)
    registry: Registry | None = None
    """Made when a registry is first needed; remembers which do not answer."""
    door: Mapping[str, str] = field(default_factory=dict)
    """What a client needs to reach this session: DAGGER_SESSION_PORT and DAGGER_SESSION_TOKEN."""
    auth: dict[str, tuple[str, SecretState]] = field(default_factory=dict)
    """User name and password of each registry host: a session's, whichever container they were given to."""
    bases: BaseImages | None = None
    """Made when a base image is first asked for."""
    packing: set[str] = field(default_factory=set)
    """Layers that are being packed for an archive or a push."""
    handlers: dict[str, Handler] = field(default_factory=dict)
    """Evaluations of the fields that this session has beyond the core API's."""
    _given: set[str] = field(default_factory=set)
    """Digests of operations that got their value by `set_value`."""

    async def evaluate(self, op: Op) -> Any:
        """Return the state or the leaf value of an operation; each runs once per session.

        What acts on the world outside (`EFFECTS`), or reads the host afresh, runs
        each time it is asked, but only once for those who ask at the same time.
        Raises EngineError; a failed operation is tried again when asked again.
        """
        running = self._memo.get(op.digest)
        if running is None:
            handler = HANDLERS.get(op.name) or self.handlers.get(op.name)
            if handler is None:
                raise UnsupportedError(op.name)
            running = asyncio.ensure_future(handler(self, op))
            self._memo[op.digest] = running
            running.add_done_callback(lambda done: self._settle(op, done))
        return await asyncio.shield(running)

    def _settle(self, op: Op, done: asyncio.Future[Any]) -> None:
        if done.cancelled() or done.exception() is not None or op.fresh or op.name in EFFECTS:
            self._memo.pop(op.digest, None)

    def set_value(self, op: Op, value: Any) -> Op:
        """Give an operation its value without running anything; returns the operation."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        future.set_result(value)
        self._memo[op.digest] = future
        self._given.add(op.digest)
        return op

    def forget_evaluations(self) -> None:
        """Evaluate everything anew: what was found may rest on something that is gone."""
        for digest, running in list(self._memo.items()):
            if running.done() and digest not in self._given:
                self._memo.pop(digest, None)

    async def parent(self, op: Op) -> Any:
        """Evaluate the object that the field is asked on."""
        if op.parent is None:
            raise EngineError(f"{op.name} has no object to be asked on")
        return await self.evaluate(op.parent)

    async def container(self, op: Op) -> ContainerState:
        """Evaluate the container that the field is asked on."""
        return cast("ContainerState", await self.parent(op))

    async def directory(self, op: Op) -> DirectoryState:
        """Evaluate the directory that the field is asked on."""
        return cast("DirectoryState", await self.parent(op))

    async def close(self) -> None:
        """Stop services and executions, unmount and remove everything of this session."""
        for running in list(self._memo.values()):
            running.cancel()
        await asyncio.gather(*self._memo.values(), return_exceptions=True)
        await self.services.close()
        self._mounted.clear()
        await self.buildah.close()

    async def locate(self, state: ContainerState, path: str) -> tuple[Snapshot | None, str, Mount | None]:
        """Return the snapshot that holds a container's path, the path in it, and the mount if one does."""
        found = state.mount_at(path)
        if found is None:
            return state.rootfs, path, None
        mount, inner = found
        if isinstance(mount.source, DirectoryState):
            return mount.source.snapshot, mount.source.at(inner), mount
        if isinstance(mount.source, FileState) and inner == "/":
            return mount.source.snapshot, mount.source.path, mount
        place = {"temp": "tmpfs"}.get(mount.kind, mount.kind)
        raise EngineError(f"{path}: cannot retrieve path from {place}")
