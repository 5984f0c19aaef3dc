"""Keep file trees as folders of the store, each made once, none ever changed; read those of images."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from wheelhouse_engine.buildah import Buildah
from wheelhouse_engine.comparing import tree_digest
from wheelhouse_engine.copying import clone
from wheelhouse_engine.errors import DamagedError
from wheelhouse_engine.graph import digest_of
from wheelhouse_engine.paths import named_inside, resolve
from wheelhouse_engine.progress import Progress
from wheelhouse_engine.secrets import Secrets
from wheelhouse_engine.states import DirectoryState, FileState, Snapshot
from wheelhouse_engine.store import Store


@dataclass(slots=True, kw_only=True)
class Trees:
    """File trees of one session: folders of the store, and images that can be read."""

    store: Store
    buildah: Buildah
    progress: Progress
    session: str
    secrets: Secrets
    images: set[str] = field(default_factory=set)
    """Ids of committed images that are known to exist."""
    _mounted: dict[str, asyncio.Future[Path]] = field(default_factory=dict)
    _sound: set[str] = field(default_factory=set)
    """Trees and layers that this session found as they were stored, or stored itself."""
    _checks: dict[str, asyncio.Future[bool]] = field(default_factory=dict)
    """Those that are being compared with their seals: several operations read one base at once."""

    async def root_of(self, snapshot: Snapshot | None) -> Path:
        """Return the host path at which a snapshot can be read until the session ends."""
        if snapshot is None:
            return await self.empty_root()
        if snapshot.image is None:
            self.store.used(snapshot.key)
            await self._expect_sound_tree(snapshot.key)
            return self.store.tree(snapshot.key)
        self.store.used(snapshot.image)
        await self._expect_sound_image(snapshot.image)
        mounted = self._mounted.get(snapshot.image)
        if mounted is None:
            mounted = asyncio.ensure_future(self.buildah.root(snapshot.image))
            self._mounted[snapshot.image] = mounted
        return await asyncio.shield(mounted)

    async def _expect_sound_tree(self, key: str) -> None:
        """Raise DamagedError, and remove the tree, when it is not as it was stored."""
        if not await self._is_sound(key, self.store.tree(key)):
            await asyncio.to_thread(self.store.discard_tree, key)
            raise DamagedError(f"the stored tree {key} was changed or removed")

    async def _expect_sound_image(self, image: str) -> None:
        """Raise DamagedError, and remove what rests on it, when a layer is not as it was stored."""
        stack = self.buildah.stack
        for layer in stack.layers(image):
            if not await self._is_sound(layer, stack.folder(layer) / "diff"):
                await self.buildah.discard_layer(layer)
                self.store.seals.drop(layer)
                self._mounted.clear()
                self.images = self.buildah.images()
                raise DamagedError(f"the stored layer {layer[:12]} was changed or removed")

    async def _is_sound(self, name: str, folder: Path) -> bool:
        """Say whether a tree or layer is as it was stored; looked at once in a session."""
        if name in self._sound:
            return True
        if name not in self._checks:
            look = asyncio.to_thread(self.store.seals.intact, name, folder)
            self._checks[name] = asyncio.ensure_future(look)
        try:
            sound = await asyncio.shield(self._checks[name])
        finally:
            self._checks.pop(name, None)
        if sound:
            self._sound.add(name)
        return sound

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
                        await asyncio.to_thread(guarded, make, made)
                        await asyncio.to_thread(self.store.keep_tree, made, key)
                        self._sound.add(key)
        return Snapshot(key)

    async def content_tree(self, key: str, make: Callable[[Path], None]) -> Snapshot:
        """Return a folder under the digest of its content; `key` remembers which that was.

        Two keys whose folders have equal content and other times give one folder.
        """
        known = self.store.read(key)
        if known is None or not self.store.has_tree(known["tree"]):
            async with self.store.lock(f"tree-{key}"):
                with self.store.scratch(self.session) as scratch:
                    made = scratch / "tree"
                    made.mkdir(mode=0o755)
                    await asyncio.to_thread(guarded, make, made)
                    known = {"tree": await asyncio.to_thread(tree_digest, made)}
                    if not self.store.has_tree(known["tree"]):
                        await asyncio.to_thread(self.store.keep_tree, made, known["tree"])
                self.store.write(key, known)
        return Snapshot(str(known["tree"]))

    async def edited(
        self, state: DirectoryState, what: object, edit: Callable[[Path], None]
    ) -> DirectoryState:
        """Return a directory like `state` after `edit` changed a private clone of it.

        The clone is at the directory's own path, so that links with that path go on leading into it.
        What is there already needs no look at what it was made from: of a chain only the end is read.
        """
        key = digest_of("edit" if state.path == "/" else "edit-in-place", state.key, what)
        edited = state.snapshot.then(key) if state.path == "/" else Snapshot(key)
        if self.store.has_tree(key):
            return DirectoryState(edited, state.path)
        source = await self.path_of(state)

        def make(made: Path) -> None:
            place = made / state.path.strip("/")
            if place == made:
                made.rmdir()
            else:
                place.parent.mkdir(parents=True, exist_ok=True)
            clone(source, place)
            edit(made)

        await self.tree(key, make)
        return DirectoryState(edited, state.path)


def guarded(make: Callable[[Path], None], path: Path) -> None:
    """Fill or change a folder; an error names a path as it is inside."""
    with named_inside(path):
        make(path)


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
