"""Start buildah: working containers, commits, builds; the only file that does."""

import contextlib
import os
import stat
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from wheelhouse_engine import mounting
from wheelhouse_engine.errors import StoreError
from wheelhouse_engine.layerstack import LayerStack
from wheelhouse_engine.runner import Completed, Runner, Sink, checked

KEPT_VARIABLES: Final = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "XDG_RUNTIME_DIR",
    "_CONTAINERS_USERNS_CONFIGURED",
    "BUILDAH_ISOLATION",
)
CAPTURE: Final = """#!/bin/sh
for word in "$@"; do
  [ "$last" = --bundle ] && cp "$word/config.json" "$WHEELHOUSE_BUNDLE"
  last=$word
done
exit 1
"""
"""Stands where buildah expects its runtime: keeps the bundle's document and runs nothing."""


@dataclass(slots=True)
class Working:
    """Be one working container, mounted at `path`."""

    name: str
    path: Path
    layer: str = ""
    """Layer that this process mounted by itself; empty when buildah did."""
    committed: bool = False


@dataclass(slots=True)
class Buildah:
    """Drive buildah on the engine's own storage."""

    runner: Runner
    storage: Path
    runroot: Path
    session: str
    """Prefix of the working containers, so that a dead session's can be found."""
    tmpfs: Path
    """Folder in memory, mode 0700: bundles and secrets never touch the disk."""
    _count: int = field(default=0)
    _readers: list[Working] = field(default_factory=list)

    @property
    def command(self) -> list[str]:
        """Return the words every call starts with."""
        return ["buildah", "--root", str(self.storage), "--runroot", str(self.runroot)]

    async def _run(self, *words: str, sink: Sink | None = None) -> Completed:
        try:
            return await checked(self.runner, [*self.command, *words], env=self._environ(), sink=sink)
        except FileNotFoundError:
            raise no_buildah() from None

    @property
    def environ(self) -> dict[str, str]:
        """Return the environment of every call: nothing of the caller's that could be a secret."""
        return {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}

    def _environ(self, **more: str) -> dict[str, str]:
        return self.environ | {"TMPDIR": str(self.tmpfs)} | more

    @property
    def stack(self) -> LayerStack:
        """Return where storage keeps layers."""
        return LayerStack(self.storage)

    async def start(self, image: str | None) -> Working:
        """Make a working container of an image (None: empty) and mount it."""
        self._count += 1
        name = f"{self.session}-{self._count}"
        await self._run("from", "--pull-never", "--name", name, image or "scratch")
        working = Working(name, self.tmpfs / "mounts" / name)
        try:
            working.layer = self.stack.working_layer(name)
            self._attach(working)
        except (OSError, KeyError):
            working.layer = ""
            working.path = Path((await self._run("mount", name)).text.strip())
        return working

    def _attach(self, working: Working) -> None:
        if working.layer:
            mounting.mount(self.stack, mounting.working_layers(self.stack, working.layer), working.path)

    def _detach(self, working: Working) -> None:
        if working.layer:
            mounting.unmount(working.path)

    async def root(self, image: str) -> Path:
        """Return where an image's files can be read until the session ends; nobody may write there.

        One layer is read where it lies. Several are mounted.
        """
        layers = self.stack.layers(image)
        if len(layers) == 1:
            return self.stack.folder(layers[0]) / "diff"
        path = self.tmpfs / "mounts" / image[:24]
        try:
            mounting.mount(self.stack, mounting.image_layers(self.stack, layers), path, read_only=True)
        except OSError:
            self._readers.append(await self.start(image))
            return self._readers[-1].path
        return path

    async def close(self) -> None:
        """Unmount what is mounted for reading; remove the working containers that are left."""
        for path in mounting.mounts_below(self.tmpfs):
            mounting.unmount(path)
        for working in self._readers:
            await self.remove(working)
        self._readers.clear()
        # A buildah that was killed may have made a container and not said so.
        for name in self.stack.containers():
            if name.rpartition("-")[0] == self.session:
                await self.remove(Working(name, self.tmpfs / "mounts" / name))

    @contextlib.asynccontextmanager
    async def working(self, image: str | None) -> AsyncIterator[Working]:
        """Give a working container; it is removed unless it was committed."""
        working = await self.start(image)
        try:
            yield working
        finally:
            await self.remove(working)

    async def commit(self, working: Working) -> str:
        """Commit, remove the working container and return the id of the image."""
        self._detach(working)
        commit = ["commit", "--quiet", "--rm", "--disable-compression", "--format", "docker", working.name]
        done = await self._run(*commit)
        working.committed = True
        return done.text.strip().splitlines()[-1].removeprefix("sha256:")

    async def remove(self, working: Working) -> None:
        """Unmount and remove; a container that is gone already is fine."""
        if working.committed:
            return
        self._detach(working)
        with contextlib.suppress(FileNotFoundError):
            await self.runner.run([*self.command, "rm", working.name], env=self._environ())

    async def bundle(self, folder: Path) -> bytes:
        """Return the config.json that buildah hands its runtime; StoreError if it does not get that far.

        The folder is an empty one from which programs may be started: memory is often mounted noexec.
        """
        runtime, caught = folder / "capture", folder / "captured.json"
        runtime.write_text(CAPTURE)
        runtime.chmod(stat.S_IRWXU)
        words = ["run", "--isolation", "oci", "--runtime", str(runtime), "--network", "host", "--no-hosts"]
        async with self.working(None) as working:
            self._detach(working)  # buildah mounts the same layer: two mounts of it at once are undefined
            ended = await self.runner.run(
                [*self.command, *words, "--", working.name, "/bin/true"],
                env=self._environ(WHEELHOUSE_BUNDLE=str(caught)),
            )
        if not caught.is_file():
            raise StoreError(f"buildah made no container ready on this machine: {ended.error_text}")
        return caught.read_bytes()

    async def tag(self, image: str, name: str) -> None:
        """Give an image a name that FROM lines use."""
        await self._run("tag", image, name)

    async def build(self, context: Path, dockerfile: str, options: list[str], sink: Sink) -> str:
        """Build a Dockerfile; return the image id. Raises CommandError with the builder's last lines."""
        note = self.tmpfs / f"{context.parent.name}.image"
        isolation = [
            "--isolation",
            "oci",
            "--runtime",
            "runc",
            "--network",
            "host",
            "--layers",
            "--pull-never",
        ]
        words = ["build", *isolation, "--format", "docker", "--iidfile", str(note), *options]
        await self._run(
            *words,
            "-f",
            str(context / dockerfile),
            str(context),
            sink=sink,
        )
        return note.read_text().strip().removeprefix("sha256:")

    def images(self) -> set[str]:
        """Return the ids of the committed images; reads storage's index, starts nothing."""
        return self.stack.images()

    async def discard_layer(self, layer: str) -> None:
        """Remove every image that has a damaged layer; raises StoreError while another session uses one."""
        images = [image for image in self.images() if layer in self.stack.layers(image)]
        images.sort(key=lambda image: -len(self.stack.layers(image)))
        for image in images:
            mounting.unmount(self.tmpfs / "mounts" / image[:24])
        if images:
            await self.runner.run([*self.command, "rmi", *images], env=self._environ())
        if left := set(images) & self.images():
            raise StoreError(
                f"layer {layer[:12]} of {self.storage} is damaged and {len(left)} images with it are in use. "
                "End the other sessions of this store and run again."
            )

    async def reap(self, names: list[str]) -> None:
        """Remove the working containers that dead sessions left."""
        for name in names:
            await self.remove(Working(name, Path()))


def no_buildah() -> StoreError:
    """Return the error for a machine without buildah."""
    return StoreError(
        "buildah was not found on PATH; the embedded engine builds with it. "
        "Install it (Debian and Ubuntu: apt-get install buildah) or run a Dagger engine."
    )
