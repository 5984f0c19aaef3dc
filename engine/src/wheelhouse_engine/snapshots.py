"""Keep file trees: folders of the store and layers of images, each made once, none ever changed."""

import asyncio
import contextlib
import functools
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

from wheelhouse_engine.comparing import update
from wheelhouse_engine.diskspace import explained
from wheelhouse_engine.graph import digest_of
from wheelhouse_engine.runner import CommandError
from wheelhouse_engine.sharing import share
from wheelhouse_engine.states import ContainerState, DirectoryState, FileState, Snapshot
from wheelhouse_engine.trees import Trees, guarded


@dataclass(slots=True)
class Step:
    """Let the body of a step say that it did nothing new."""

    cached: bool = False


@dataclass(slots=True, kw_only=True)
class Snapshots(Trees):
    """File trees of one session, and the layers of images that are made from them."""

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
                    await self.seal_image(known)
                    self.store.write(key, {"image": known})
        return Snapshot(key, known)

    async def _commit_edit(self, state: ContainerState, edit: Callable[[Path], None]) -> str:
        async with self.buildah.working(await self.rootfs_image(state.rootfs)) as working:
            await asyncio.to_thread(guarded, edit, working.path)
            image = await self.buildah.commit(working)
        self.images.add(image)
        return image

    async def seal_image(self, image: str) -> None:
        """Note what the top layer of a new image looks like; those below were looked at."""
        stack = self.buildah.stack
        for layer in stack.layers(image)[:1]:
            stack.mark_own(layer)
            await asyncio.to_thread(self.store.seals.put, layer, stack.folder(layer) / "diff")
            self._sound.add(layer)

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
            await self._expect_sound_image(snapshot.image)
            return snapshot.image
        steps = snapshot.steps or (snapshot.key,)
        if not all(self.store.has_tree(key) for key in steps):
            steps = (snapshot.key,)  # pruned: the last one has it all
        base = snapshot.base if steps == snapshot.steps else None
        made = Snapshot(digest_of("image", base), base) if base else None
        lower = await self.root_of(made)
        for key in steps:
            upper = await self.root_of(Snapshot(key))
            made = await self._laid_on(made, key, functools.partial(update, lower=lower, upper=upper))
            lower = upper
        return made.image if made else None

    async def _laid_on(self, below: Snapshot | None, key: str, edit: Callable[[Path], None]) -> Snapshot:
        """Return an image with one layer more, by which it has the content of a stored folder."""
        return await self.layered(ContainerState(rootfs=below), ["rootfs", key], edit, "withRootfs")

    @contextlib.asynccontextmanager
    async def step(self, digest: str, name: str) -> AsyncIterator["Step"]:
        """Show one operation while it runs; disk-full becomes one clear error."""
        step = Step()
        self.progress.begin(digest, name)
        started = time.monotonic()
        error: str | None = None
        try:
            yield step
        except (OSError, CommandError) as caught:
            meant = explained(caught, self.store.root)
            error = self.secrets.scrub(str(meant))
            raise meant from caught
        except asyncio.CancelledError:
            error = "cancelled"
            raise
        except BaseException as caught:
            error = self.secrets.scrub(str(caught)) or type(caught).__name__
            raise
        finally:
            self.progress.end(digest, cached=step.cached, error=error, seconds=time.monotonic() - started)
