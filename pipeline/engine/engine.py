"""Evaluate operations: each at most once, in flight or ever, as far as the store knows."""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

from pipeline.engine.bases import BaseImages
from pipeline.engine.buildah import Buildah
from pipeline.engine.copying import clone, copy_tree
from pipeline.engine.errors import EngineError, StoreError, UnsupportedError
from pipeline.engine.graph import Op, digest_of
from pipeline.engine.paths import resolve
from pipeline.engine.progress import Progress
from pipeline.engine.registry import Registry
from pipeline.engine.runner import Runner
from pipeline.engine.secrets import Secrets
from pipeline.engine.services import Services
from pipeline.engine.sharing import share
from pipeline.engine.states import (
    ContainerState,
    DirectoryState,
    FileState,
    Mount,
    Snapshot,
)
from pipeline.engine.store import Store

Handler = Callable[["Engine", Op], Awaitable[Any]]
HANDLERS: dict[str, Handler] = {}
"""`Container.withExec` -> the function that evaluates it; the table of what is done."""


EFFECTS: Final = frozenset(
    {
        *("Container.export", "Container.exportImage", "Container.publish", "Container.up"),
        *("Directory.export", "File.export", "Changeset.export", "Host.findUp"),
        *("Service.start", "Service.stop", "Service.sync", "Service.up", "EngineCache.prune"),
    }
)
"""Fields whose answer is worth nothing the second time: what they did may be undone since."""


def operation(*names: str) -> Callable[[Handler], Handler]:
    """Register a function as the evaluation of one or more API fields."""

    def register(handler: Handler) -> Handler:
        for name in names:
            if name in HANDLERS:
                raise ValueError(f"two handlers for {name}")
            HANDLERS[name] = handler
        return handler

    return register


def refuse(op: Op, *names: str) -> None:
    """Raise UnsupportedError for an argument that only a real Dagger engine honours."""
    for name in names:
        if op.args.get(name):
            raise UnsupportedError(f"{op.name}({name})")


@dataclass(slots=True)
class Engine:
    """Hold one session's evaluation: memo, store, buildah, secrets, services."""

    store: Store
    buildah: Buildah
    runner: Runner
    progress: Progress
    environ: Mapping[str, str]
    """The caller's environment: what `env://` secrets are read from."""
    workdir: Path
    """What relative host paths start at."""
    session: str
    secrets: Secrets
    services: Services
    _memo: dict[str, asyncio.Future[Any]] = field(default_factory=dict)
    _mounted: dict[str, asyncio.Future[Path]] = field(default_factory=dict)
    registry: Registry | None = None
    """Made when a registry is first needed; remembers which do not answer."""
    bases: BaseImages | None = None
    """Made when a base image is first asked for."""
    images: set[str] = field(default_factory=set)
    """Ids of committed images that are known to exist."""

    async def evaluate(self, op: Op) -> Any:
        """Return the state or the leaf value of an operation; each runs once per session.

        What acts on the world outside (`EFFECTS`), or reads the host afresh, runs
        each time it is asked, but only once for those who ask at the same time.
        Raises EngineError; a failed operation is tried again when asked again.
        """
        running = self._memo.get(op.digest)
        if running is None:
            handler = HANDLERS.get(op.name)
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
        return op

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

    # --- file trees -------------------------------------------------------------

    async def root_of(self, snapshot: Snapshot | None) -> Path:
        """Return the host path at which a snapshot can be read until the session ends."""
        if snapshot is None:
            return await self.empty_root()
        if snapshot.image is None:
            self.store.used(snapshot.key)
            return self.store.tree(snapshot.key)
        self.store.used(snapshot.image)
        mounted = self._mounted.get(snapshot.image)
        if mounted is None:
            mounted = asyncio.ensure_future(self.buildah.root(snapshot.image))
            self._mounted[snapshot.image] = mounted
        return await asyncio.shield(mounted)

    async def empty_root(self) -> Path:
        """Return a folder without entries."""
        return self.store.tree((await self.tree("empty", _nothing)).key)

    async def path_of(self, state: DirectoryState | FileState) -> Path:
        """Return the host path of a directory or file; raises EngineError when it is not there."""
        root = await self.root_of(state.snapshot)
        return resolve(root, state.path)

    async def kind_of(self, snapshot: Snapshot | None, path: str) -> str | None:
        """Return `directory`, `file` or None for nothing; remembered for ever for an image.

        An image is asked by its id: an exec that ran again after its image was
        pruned may have made other files.
        """
        if snapshot is None or snapshot.image is None:
            return await asyncio.to_thread(_kind, await self.root_of(snapshot), path)
        key = digest_of("kind", snapshot.image, path)
        known = self.store.read(key)
        if known is None:
            found = await asyncio.to_thread(_kind, await self.root_of(snapshot), path)
            known = {"kind": found}
            self.store.write(key, known)
        return cast("str | None", known["kind"])

    async def tree(self, key: str, make: Callable[[Path], None]) -> Snapshot:
        """Return the folder of a key; `make` fills an empty one when the store has none."""
        if not self.store.has_tree(key):
            async with self.store.lock(f"tree-{key}"):
                if not self.store.has_tree(key):
                    with self.store.scratch(self.session) as scratch:
                        made = scratch / "tree"
                        made.mkdir(mode=0o755)
                        await asyncio.to_thread(_guarded, make, made)
                        self.store.keep_tree(made, key)
        return Snapshot(key)

    async def edited(
        self, state: DirectoryState, what: object, edit: Callable[[Path], None]
    ) -> DirectoryState:
        """Return a directory like `state` after `edit` changed a private clone of it."""
        source = await self.path_of(state)

        def make(made: Path) -> None:
            made.rmdir()
            clone(source, made)
            edit(made)

        return DirectoryState(await self.tree(digest_of("edit", state.key, what), make))

    async def layered(
        self,
        state: ContainerState,
        what: object,
        edit: Callable[[Path], None],
        name: str,
        copied: tuple[DirectoryState | FileState, str] | None = None,
    ) -> Snapshot:
        """Return the container's file system after `edit` changed it: one layer more.

        `copied` says what the edit only copied, and to which path: those files
        then lie on disk once.
        """
        key = digest_of("layer", state.rootfs.key if state.rootfs else "scratch", what)
        known = self.recorded_image(key)
        if known is None:
            async with self.store.lock(key), self.step(key, name) as step:
                known = self.recorded_image(key)
                step.cached = known is not None
                if known is None:
                    known = await self._commit_edit(state, edit)
                    if copied:
                        await asyncio.to_thread(self._share, known, *copied)
                    self.store.write(key, {"image": known})
        return Snapshot(key, known)

    async def _commit_edit(self, state: ContainerState, edit: Callable[[Path], None]) -> str:
        async with self.buildah.working(await self.rootfs_image(state.rootfs)) as working:
            await asyncio.to_thread(_guarded, edit, working.path)
            image = await self.buildah.commit(working)
        self.images.add(image)
        return image

    def _share(self, image: str, source: DirectoryState | FileState, path: str) -> None:
        """Link the files that the top layer of a new image has from a source to the source's own."""
        stack = self.buildah.stack
        layers = stack.layers(source.snapshot.image) if source.snapshot.image else ()
        folders = [stack.folder(layer) / "diff" for layer in layers] or [self.store.tree(source.snapshot.key)]
        inner = path.strip("/")
        top = stack.folder(stack.layers(image)[0]) / "diff" / inner
        if isinstance(source, FileState) and top.is_dir():
            top /= source.name
        if top.exists() and top.parent.resolve() == top.parent:
            share(top, [folder / source.path.strip("/") for folder in folders])

    def recorded_image(self, key: str) -> str | None:
        """Return the image recorded under a key, if storage still has it."""
        record = self.store.read(key)
        if record is None or "image" not in record:
            return None
        image = str(record["image"])
        if image not in self.images:
            self.images = self.buildah.images()
        if image in self.images:
            self.store.used(image)
            return image
        self.store.forget(key)
        return None

    async def rootfs_image(self, snapshot: Snapshot | None) -> str | None:
        """Return the image id of a file system; a folder becomes an image of one layer."""
        if snapshot is None:
            return None
        if snapshot.image is not None:
            self.store.used(snapshot.image)
            return snapshot.image
        source = await self.root_of(snapshot)
        made = await self.layered(
            ContainerState(),
            ["rootfs", snapshot.key],
            lambda root: copy_tree(source, root),
            "withRootfs",
        )
        return made.image

    # --- containers' paths --------------------------------------------------------

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
        place = {"temp": "temporary mount"}.get(mount.kind, mount.kind)
        raise EngineError(f"{path}: cannot retrieve path from {place}")

    # --- progress -----------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def step(self, digest: str, name: str) -> AsyncIterator["Step"]:
        """Show one operation while it runs; disk-full becomes one clear error."""
        step = Step()
        self.progress.begin(digest, name)
        started = time.monotonic()
        error: str | None = None
        try:
            yield step
        except OSError as caught:
            error = str(caught)
            raise readable(caught, self.store) from caught
        except asyncio.CancelledError:
            error = "cancelled"
            raise
        except BaseException as caught:
            error = self.secrets.scrub(str(caught)) or type(caught).__name__
            raise
        finally:
            self.progress.end(digest, cached=step.cached, error=error, seconds=time.monotonic() - started)


@dataclass(slots=True)
class Step:
    """Let the body of a step say that it did nothing new."""

    cached: bool = False


def readable(error: OSError, store: Store) -> EngineError:
    """Turn an operating system error into one sentence that says what to do."""
    import errno  # noqa: PLC0415 - only on the way out

    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        free = os.statvfs(store.root)
        return StoreError(
            f"no space left for the store {store.root} ({free.f_bavail * free.f_frsize // 10**6} MB free). "
            "Free some (`wheelhouse prune`) or set WHEELHOUSE_STORE to a larger disk, then run again."
        )
    where = f" {error.filename}" if error.filename else ""
    return EngineError(f"{(error.strerror or str(error)).lower()}{where}")


def _guarded(make: Callable[[Path], None], path: Path) -> None:
    try:
        make(path)
    except OSError as error:
        if error.filename and str(error.filename).startswith(str(path)):
            error.filename = str(error.filename)[len(str(path)) :] or "/"
        raise


def _nothing(_path: Path) -> None:
    return


def _kind(root: Path, path: str) -> str | None:
    try:
        found = resolve(root, path)
    except OSError:
        return None
    if found.is_dir():
        return "directory"
    return "file" if found.exists() else None
