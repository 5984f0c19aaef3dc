"""Start buildah: working containers, runs and commits; the only file that does."""

import asyncio
import contextlib
import os
import signal
import stat
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pipeline.engine import mounting
from pipeline.engine.errors import StoreError
from pipeline.engine.layerstack import LayerStack
from pipeline.engine.noise import NOISE_LINES, signalled, without_noise
from pipeline.engine.runner import Completed, Runner, Sink, checked

STOP_LIMIT_S: Final = 1.5
"""How long buildah may take to clean up after its container was ended."""
STOP_PAUSE_S: Final = 0.05


@dataclass(slots=True)
class Working:
    """Be one working container, mounted at `path`."""

    name: str
    path: Path
    layer: str = ""
    """Layer that this process mounted by itself; empty when buildah did."""
    committed: bool = False


@dataclass(frozen=True, slots=True)
class Ended(Completed):
    """Hold what a run in a container left behind."""

    own: bool = True
    """False when the process never began, or buildah failed beside it: the status is not the process's."""


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
            return await checked(self.runner, [*self.command, *words], env=self._environment({}), sink=sink)
        except FileNotFoundError:
            raise no_buildah() from None

    def _environment(self, more: Mapping[str, str]) -> dict[str, str]:
        keep = (
            "PATH",
            "HOME",
            "LANG",
            "LC_ALL",
            "XDG_RUNTIME_DIR",
            "_CONTAINERS_USERNS_CONFIGURED",
            "BUILDAH_ISOLATION",
        )
        base = {name: os.environ[name] for name in keep if name in os.environ}
        return base | {"TMPDIR": str(self.tmpfs)} | dict(more)

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
            await self.runner.run([*self.command, "rm", working.name], env=self._environment({}))

    async def run(
        self, working: Working, spec: Path, *, network: str, stdin: bytes, sink: Sink | None = None
    ) -> Ended:
        """Run the process that `spec` describes; return its exit status and outputs."""
        words = [
            "run",
            "--isolation",
            "oci",
            "--runtime",
            str(self.runtime()),
            "--network",
            network,
            "--no-hosts",
        ]
        self._detach(working)  # buildah mounts the same layer: two mounts of it at once are undefined
        running = asyncio.ensure_future(
            self.runner.run(
                [*self.command, *words, "--", working.name, "/bin/true"],
                input=stdin or None,
                env=self._environment({"WHEELHOUSE_SPEC": str(spec)}),
                sink=sink,
            )
        )
        try:
            completed = await asyncio.shield(running)
        except asyncio.CancelledError:
            await _stop(running, spec)
            raise
        self._attach(working)
        code = signalled(completed.stderr) or completed.returncode
        started = Path(f"{spec}.started").exists()
        own = started and (not code or NOISE_LINES.search(completed.stderr) is not None)
        return Ended(code, completed.stdout, without_noise(completed.stderr), own)

    async def tag(self, image: str, name: str) -> None:
        """Give an image a name that FROM lines use."""
        await self._run("tag", image, name)

    async def build(
        self, context: Path, dockerfile: str, options: list[str], tell: Callable[[str], None]
    ) -> str:
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
            sink=lambda _stream, data: tell(data.decode(errors="replace")),
        )
        return note.read_text().strip().removeprefix("sha256:")

    def runtime(self) -> Path:
        """Return the program buildah starts as its runtime, written once per session."""
        path = self.tmpfs / "runtime"
        if not path.exists():
            program = Path(__file__).with_name("runtime.py")
            path.write_text(
                f"#!/bin/sh\n"
                f'case " $* " in *" create "*) exec {sys.executable} -I -S {program} "$@";;\n'
                '*" start "*) runc "$@" && : > "$WHEELHOUSE_SPEC.started"; exit;; esac\n'
                'exec runc "$@"\n'
            )
            path.chmod(stat.S_IRWXU)
        return path

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
            await self.runner.run([*self.command, "rmi", *images], env=self._environment({}))
        if left := set(images) & self.images():
            raise StoreError(
                f"layer {layer[:12]} of {self.storage} is damaged and {len(left)} images with it are in use. "
                "End the other sessions of this store and run again."
            )

    async def reap(self, names: list[str]) -> None:
        """Remove the working containers that dead sessions left."""
        for name in names:
            await self.remove(Working(name, Path()))


async def _stop(running: "asyncio.Future[Completed]", spec: Path) -> None:
    """End a container at once, also one that is only being made; buildah then ends and unmounts."""
    end = asyncio.get_running_loop().time() + STOP_LIMIT_S
    while not running.done() and asyncio.get_running_loop().time() < end:
        signal_container(spec, signal.SIGKILL)
        await asyncio.wait({running}, timeout=STOP_PAUSE_S)
    running.cancel()
    await asyncio.wait({running})
    signal_container(spec, signal.SIGKILL)


def signal_container(spec: Path, number: signal.Signals) -> None:
    """Send a signal to process 1 of the container that a specification describes, if it runs."""
    with contextlib.suppress(OSError, ValueError):
        place = Path(f"{spec}.pid-file").read_text()
        os.kill(int(Path(place).read_text()), number)


def no_buildah() -> StoreError:
    """Return the error for a machine without buildah."""
    return StoreError(
        "buildah was not found on PATH; the embedded engine builds with it. "
        "Install it (Debian and Ubuntu: apt-get install buildah) or run a Dagger engine."
    )
