"""Container: its files. Each change of the file system is one layer; a mount is changed in place."""

import asyncio
import posixpath
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, cast

from wheelhouse_engine.copying import Copying, copy_file, copy_tree
from wheelhouse_engine.engine import Engine
from wheelhouse_engine.errors import EngineError
from wheelhouse_engine.files import make_symlink, remove, replace_file
from wheelhouse_engine.graph import Op
from wheelhouse_engine.handlers import operation
from wheelhouse_engine.ignore import Filter
from wheelhouse_engine.inodes import Owner
from wheelhouse_engine.ops.config import expand, path_arg
from wheelhouse_engine.owners import parse_owner
from wheelhouse_engine.states import ContainerState, DirectoryState, FileState, Snapshot

MERGING: Final = ("withDirectory",)
"""Fields that put something into a directory rather than in its place."""


def filter_of(op: Op) -> Filter:
    """Read include, exclude and gitignore arguments."""
    return Filter(
        tuple(op.args.get("include") or ()),
        tuple(op.args.get("exclude") or ()),
        gitignore=op.args.get("gitignore") or False,
    )


@dataclass(frozen=True, slots=True)
class Change:
    """Say where a container's files are changed."""

    path: str
    copied: DirectoryState | FileState | None = None
    """What is copied there and nothing else."""


async def changed(
    engine: Engine, op: Op, what: object, edit: Callable[[Path, str], None], change: "Change"
) -> ContainerState:
    """Return the container after `edit(root, path)`, in its file system or in the mount that holds it."""
    path = change.path
    state = uncovered(await engine.container(op), op.field, path.rstrip("/") or "/")
    _, inner, mount = await engine.locate(state, path.rstrip("/") or "/")
    inner += "/" if path.endswith("/") and inner != "/" else ""
    identity = [op.field, inner, what]
    if mount is None:
        copied = (change.copied, inner) if change.copied else None
        rootfs = await engine.layered(state, identity, lambda root: edit(root, inner), str(op), copied)
        return replace(state, rootfs=rootfs, image_ref="")
    source = mount.source
    if not isinstance(source, DirectoryState):
        raise EngineError(f"{path}: cannot write to a mounted {mount.kind}")
    edited = await engine.edited(source, identity, lambda root: edit(root, inner))
    return state.with_mount(replace(mount, source=edited))


def uncovered(state: ContainerState, field: str, path: str) -> ContainerState:
    """Return the container without mounts at exactly this path: they go when what they cover is replaced.

    Only a directory that is copied onto a mounted directory is merged into it.
    """
    while (found := state.mount_at(path)) and found[1] == "/":
        if field in MERGING and isinstance(found[0].source, DirectoryState):
            break
        state = state.without_mount(found[0].target)
    return state


async def owner_of(engine: Engine, state: ContainerState, op: Op) -> Owner | None:
    """Return the owner argument as numbers; names are looked up in the container."""
    text = expand(state, op.args.get("owner") or "", wanted=op.args.get("expand", False))
    if not text:
        return None
    parts = text.split(":", 1)
    root = (
        Path("/nonexistent") if all(one.isdecimal() for one in parts) else await engine.root_of(state.rootfs)
    )
    try:
        return await asyncio.to_thread(parse_owner, text, root, empty_is_root=True)
    except LookupError as error:
        raise EngineError(f"failed to resolve ownership for {text}: {error.args[0]}") from error


@operation("Container.withDirectory")
async def with_directory(engine: Engine, op: Op) -> ContainerState:
    """Copy a directory into the container; what is there is merged."""
    state = await engine.container(op)
    source: DirectoryState = await engine.evaluate(op.args["source"])
    wanted, owner = filter_of(op), await owner_of(engine, state, op)
    identity = [source.key, wanted.include, wanted.exclude, wanted.gitignore, owner]
    # `permissions` is accepted and has no effect, as on Dagger 0.21.
    merge = await merging(engine, source, Copying(filter=wanted, owner=owner))
    return await changed(engine, op, identity, merge, Change(path_arg(state, op), source))


async def merging(engine: Engine, source: DirectoryState, copying: Copying) -> Callable[[Path, str], None]:
    """Return a function that merges a directory into a path of a root.

    Files named .gitignore count from the root of the source's snapshot on, as
    they do for git in a subfolder of a repository.
    """
    origin, top = await lazily(engine, source), await lazily(engine, replace(source, path="/"))

    def merge(root: Path, path: str) -> None:
        counted = replace(copying, gitignore_top=top()) if copying.filter.gitignore else copying
        copy_tree(origin(), root, path, counted)

    return merge


async def lazily(engine: Engine, source: DirectoryState | FileState) -> Callable[[], Path]:
    """Return a function that gives the source's host path; an image is mounted only when it is called.

    The function is called from worker threads while the engine's loop runs.
    """
    loop = asyncio.get_running_loop()
    return lambda: asyncio.run_coroutine_threadsafe(engine.path_of(source), loop).result()


@operation("Container.withFile")
async def with_file(engine: Engine, op: Op) -> ContainerState:
    """Copy one file into the container."""
    state = await engine.container(op)
    source: FileState = await engine.evaluate(op.args["source"])
    owner, mode = await owner_of(engine, state, op), op.args.get("permissions")
    origin = await lazily(engine, source)
    copying = Copying(owner=owner, mode=mode)
    return await changed(
        engine,
        op,
        [source.key, owner, mode],
        lambda root, inner: copy_file(origin(), root, inner, copying, name=source.name),
        Change(path_arg(state, op), source),
    )


@operation("Container.withFiles")
async def with_files(engine: Engine, op: Op) -> ContainerState:
    """Copy files into a directory of the container, one after the other."""
    assert op.parent is not None  # noqa: S101 - a container field has a parent
    path = path_arg(await engine.container(op), op)
    current = op.parent
    for one in op.args["sources"]:
        source: FileState = await engine.evaluate(one)
        given = {name: op.args[name] for name in ("permissions", "owner") if name in op.args}
        place = {"path": posixpath.join(path, source.name), "source": one, **given}
        current = Op.make("Container", "withFile", current, place)
    made: ContainerState = await engine.evaluate(current)
    return made


@operation("Container.withNewFile")
async def with_new_file(engine: Engine, op: Op) -> ContainerState:
    """Write a text into a file of the container."""
    state = await engine.container(op)
    owner, mode = await owner_of(engine, state, op), op.args.get("permissions")
    contents = op.args["contents"].encode(errors="surrogateescape")
    copying = Copying(owner=owner, mode=0o644 if mode is None else mode)
    return await changed(
        engine,
        op,
        [op.args["contents"], owner, mode],
        lambda root, inner: replace_file(root, inner, contents, copying),
        Change(path_arg(state, op)),
    )


@operation("Container.withSymlink")
async def with_symlink(engine: Engine, op: Op) -> ContainerState:
    """Make a symbolic link in the container."""
    state = await engine.container(op)
    wanted = op.args.get("expand", False)
    target = expand(state, op.args["target"], wanted=wanted)
    link = state.resolve(expand(state, op.args["linkName"], wanted=wanted))
    return await changed(
        engine, op, [target], lambda root, inner: make_symlink(root, target, inner), Change(link)
    )


@operation("Container.withoutDirectory", "Container.withoutFile")
async def without_path(engine: Engine, op: Op) -> ContainerState:
    """Remove a file or a directory; nothing there is fine."""
    state = await engine.container(op)

    def edit(root: Path, inner: str) -> None:
        remove(root, inner)

    return await changed(engine, op, [], edit, Change(path_arg(state, op)))


@operation("Container.withoutFiles")
async def without_files(engine: Engine, op: Op) -> ContainerState:
    """Remove several files, one after the other."""
    assert op.parent is not None  # noqa: S101 - a container field has a parent
    current = op.parent
    for path in op.args["paths"]:
        current = Op.make(
            "Container", "withoutFile", current, {"path": path, "expand": op.args.get("expand", False)}
        )
    state: ContainerState = await engine.evaluate(current)
    return state


@operation("Container.rootfs")
async def rootfs(engine: Engine, op: Op) -> DirectoryState:
    """Return the file system without mounts."""
    state = await engine.container(op)
    return DirectoryState(state.rootfs or (await engine.tree("empty", lambda _: None)))


@operation("Container.withRootfs")
async def with_rootfs(engine: Engine, op: Op) -> ContainerState:
    """Replace the file system; the configuration stays."""
    state = await engine.container(op)
    source: DirectoryState = await engine.evaluate(op.args["directory"])
    if source.path == "/":
        return replace(state, rootfs=source.snapshot, image_ref="")
    origin = await lazily(engine, source)
    rootfs = await engine.layered(
        replace(state, rootfs=None), ["rootfs", source.key], lambda root: copy_tree(origin(), root), str(op)
    )
    return replace(state, rootfs=rootfs, image_ref="")


@operation("Container.directory")
async def directory(engine: Engine, op: Op) -> DirectoryState:
    """Return a directory of the container, through its mounts."""
    state = await engine.container(op)
    path = path_arg(state, op)
    snapshot, inner, _ = await engine.locate(state, path.rstrip("/") or "/")
    return await checked_directory(engine, snapshot, inner, op.args["path"])


@operation("Container.file")
async def file(engine: Engine, op: Op) -> FileState:
    """Return a file of the container, through its mounts."""
    state = await engine.container(op)
    snapshot, inner, _ = await engine.locate(state, path_arg(state, op).rstrip("/"))
    return await checked_file(engine, snapshot, inner, op.args["path"])


async def checked_directory(
    engine: Engine, snapshot: Snapshot | None, path: str, asked: str
) -> DirectoryState:
    """Return a directory that is there; raises EngineError in Dagger's words."""
    kind = await engine.kind_of(snapshot, path)
    if kind is None:
        raise EngineError(f"stat {asked}: no such file or directory")
    if kind != "directory":
        raise EngineError(f"path {asked} is a file, not a directory")
    return DirectoryState(snapshot or await engine.tree("empty", lambda _: None), posixpath.normpath(path))


async def checked_file(engine: Engine, snapshot: Snapshot | None, path: str, asked: str) -> FileState:
    """Return a file that is there; raises EngineError in Dagger's words."""
    kind = await engine.kind_of(snapshot, path)
    if kind is None:
        raise EngineError(f"stat {asked}: no such file or directory")
    if kind == "directory":
        raise EngineError(f"path {asked} is a directory, not a file")
    return FileState(cast("Snapshot", snapshot), posixpath.normpath(path))


@operation("Container.exists")
async def exists(engine: Engine, op: Op) -> bool:
    """Say whether something is at a path."""
    from wheelhouse_engine.ops.reading import exists_at  # noqa: PLC0415 - the two refer to each other

    state = await engine.container(op)
    snapshot, inner, _ = await engine.locate(state, path_arg(state, op))
    return await exists_at(engine, await engine.root_of(snapshot), inner, op)


@operation("Container.stat")
async def stat(engine: Engine, op: Op) -> dict[str, Any]:
    """Describe what is at a path."""
    from wheelhouse_engine.ops.reading import stat_at  # noqa: PLC0415

    state = await engine.container(op)
    snapshot, inner, _ = await engine.locate(state, path_arg(state, op))
    return await stat_at(await engine.root_of(snapshot), inner, op)
