"""Directory: immutable folders; each change makes a new one of hard links."""

import asyncio
import posixpath
from collections.abc import Callable
from pathlib import Path

from wheelhouse_engine.comparing import diff
from wheelhouse_engine.copying import Copying, copy_file
from wheelhouse_engine.engine import Engine
from wheelhouse_engine.errors import EngineError
from wheelhouse_engine.files import make_directory, make_symlink, remove, set_owner, set_times, write_file
from wheelhouse_engine.graph import Op, digest_of
from wheelhouse_engine.handlers import operation
from wheelhouse_engine.leading import follow_links
from wheelhouse_engine.ops.filesystem import checked_directory, checked_file, filter_of, lazily, merging
from wheelhouse_engine.ops.reading import sentence
from wheelhouse_engine.owners import parse_owner
from wheelhouse_engine.paths import resolve
from wheelhouse_engine.states import DirectoryState, FileState, Snapshot

At = Callable[[str], str]
"""Returns where a path of a directory is in the directory's snapshot; `..` may leave the directory."""


async def edit(engine: Engine, op: Op, what: object, change: Callable[[Path, At], None]) -> DirectoryState:
    """Return the directory after a change; an unreadable path becomes a sentence."""
    state = await engine.directory(op)
    try:
        return await engine.edited(state, [op.field, what], lambda root: change(root, state.at))
    except (OSError, ValueError) as error:
        raise sentence(engine, error) from error


@operation("Directory.withNewFile")
async def with_new_file(engine: Engine, op: Op) -> DirectoryState:
    """Write a text into a file."""
    path, contents, mode = op.args["path"], op.args["contents"], op.args.get("permissions") or 0o644
    data = contents.encode(errors="surrogateescape")
    return await edit(
        engine, op, [path, contents, mode], lambda root, at: write_file(root, at(path), data, mode)
    )


@operation("Directory.withNewDirectory")
async def with_new_directory(engine: Engine, op: Op) -> DirectoryState:
    """Make an empty directory."""
    path, mode = op.args["path"], op.args.get("permissions") or 0o755
    if posixpath.normpath(path).startswith("../"):
        raise EngineError(f"cannot create directory outside parent: {posixpath.normpath(path)}")
    return await edit(engine, op, [path, mode], lambda root, at: make_directory(root, at(path), mode))


@operation("Directory.withSymlink")
async def with_symlink(engine: Engine, op: Op) -> DirectoryState:
    """Make a symbolic link."""
    target, link = op.args["target"], op.args["linkName"]
    return await edit(engine, op, [target, link], lambda root, at: make_symlink(root, target, at(link)))


@operation("Directory.withFile")
async def with_file(engine: Engine, op: Op) -> DirectoryState:
    """Copy a file in; a path that ends in a slash keeps its name."""
    source: FileState = await engine.evaluate(op.args["source"])
    path, mode = op.args["path"], op.args.get("permissions")
    owner = await _owner(engine, op)
    origin, copying = await lazily(engine, source), Copying(mode=mode, owner=owner)
    return await edit(
        engine,
        op,
        [path, source.key, mode, owner],
        lambda root, at: copy_file(origin(), root, at(path), copying, name=source.name),
    )


@operation("Directory.withFiles")
async def with_files(engine: Engine, op: Op) -> DirectoryState:
    """Copy files into a directory, one after the other: each is a layer of its own, as Dagger makes it."""
    state = await engine.directory(op)
    for one in op.args["sources"]:
        state = await _with_file_of(engine, state, await engine.evaluate(one), op)
    return state


async def _with_file_of(engine: Engine, state: DirectoryState, source: FileState, op: Op) -> DirectoryState:
    path, copying = op.args["path"], Copying(mode=op.args.get("permissions"))
    origin = await lazily(engine, source)

    def change(root: Path) -> None:
        copy_file(origin(), root, f"{state.at(path).rstrip('/')}/", copying, name=source.name)

    try:
        return await engine.edited(state, [op.field, [path, source.key, copying.mode]], change)
    except (OSError, ValueError) as error:
        raise sentence(engine, error) from error


@operation("Directory.withDirectory")
async def with_directory(engine: Engine, op: Op) -> DirectoryState:
    """Merge a directory in."""
    source: DirectoryState = await engine.evaluate(op.args["source"])
    wanted, owner, mode = filter_of(op), await _owner(engine, op), op.args.get("permissions")
    path = op.args["path"]
    merge = await merging(engine, source, Copying(filter=wanted, owner=owner, mode=mode))
    identity = [path, source.key, wanted.include, wanted.exclude, wanted.gitignore, owner, mode]
    return await edit(engine, op, identity, lambda root, at: merge(root, at(path)))


@operation("Directory.filter")
async def filter_(engine: Engine, op: Op) -> DirectoryState:
    """Keep what include, exclude and gitignore leave.

    Of a folder of this machine or a module's source the result is known by its own content: an edit
    of what is left out changes nothing that is built from the rest.
    """
    state = await engine.directory(op)
    wanted = filter_of(op)
    merge = await merging(engine, state, Copying(filter=wanted))
    key = digest_of("filter", state.key, wanted.include, wanted.exclude, wanted.gitignore)
    try:
        keep = engine.content_tree if state.snapshot.is_by_content else engine.tree
        return DirectoryState(await keep(key, lambda made: merge(made, "/")))
    except (OSError, ValueError) as error:
        raise sentence(engine, error) from error


@operation("Directory.withoutDirectory", "Directory.withoutFile")
async def without(engine: Engine, op: Op) -> DirectoryState:
    """Remove a path; nothing there is fine."""
    path = op.args["path"]

    def change(root: Path, at: At) -> None:
        remove(root, at(path))

    return await edit(engine, op, path, change)


@operation("Directory.withoutFiles")
async def without_files(engine: Engine, op: Op) -> DirectoryState:
    """Remove several paths."""
    paths = op.args["paths"]

    def change(root: Path, at: At) -> None:
        for path in paths:
            remove(root, at(path))

    return await edit(engine, op, paths, change)


@operation("Directory.withTimestamps")
async def with_timestamps(engine: Engine, op: Op) -> DirectoryState:
    """Set the times of everything, in seconds since 1970; links are followed, as os.Chtimes follows them.

    A link that leads nowhere from the engine's own file system is an error, an absolute one, too.
    """
    seconds = op.args["timestamp"]
    state = await engine.directory(op)
    await asyncio.to_thread(follow_links, await engine.root_of(state.snapshot), state.path)
    what = ["not of links", seconds]
    return await edit(engine, op, what, lambda root, at: set_times(resolve(root, at("/")), seconds))


@operation("Directory.chown")
async def chown(engine: Engine, op: Op) -> DirectoryState:
    """Give a path and all below it to an owner; names are those of the file system it lies in."""
    path, owner = op.args["path"], await _owner(engine, op)
    assert owner is not None  # noqa: S101 - a required argument
    return await edit(engine, op, [path, owner], lambda root, at: set_owner(root, at(path), owner))


async def _owner(engine: Engine, op: Op) -> tuple[int, int] | None:
    """Read the owner argument; None without one."""
    if not op.args.get("owner"):
        return None
    return await owner_in(engine, (await engine.directory(op)).snapshot, op.args["owner"])


async def owner_in(engine: Engine, snapshot: Snapshot, text: str) -> tuple[int, int]:
    """Read an owner; a name is looked up in the /etc/passwd of the file system, where it has one."""
    named = any(not part.isdecimal() for part in text.split(":"))
    root = await engine.root_of(snapshot) if named else Path("/nonexistent")
    try:
        return parse_owner(text, root)
    except (LookupError, OSError) as error:
        raise EngineError(f"failed to parse ownership {text}: {error.args[0]}") from error


@operation("Directory.directory")
async def directory(engine: Engine, op: Op) -> DirectoryState:
    """Return a directory below; `..` stops at this one."""
    state = await engine.directory(op)
    return await checked_directory(engine, state.snapshot, state.at(op.args["path"]), op.args["path"])


@operation("Directory.file")
async def file(engine: Engine, op: Op) -> FileState:
    """Return a file below."""
    state = await engine.directory(op)
    return await checked_file(engine, state.snapshot, state.at(op.args["path"]), op.args["path"])


@operation("Directory.sync")
async def sync(engine: Engine, op: Op) -> str:
    """Make the directory."""
    await engine.directory(op)
    assert op.parent is not None  # noqa: S101 - `directory` found it
    return op.parent.digest


@operation("Directory.diff")
async def diff_(engine: Engine, op: Op) -> DirectoryState:
    """Return what another directory has that this one has not, or has otherwise."""
    lower, upper = await engine.directory(op), await engine.evaluate(op.args["other"])
    paths = [await engine.path_of(lower), await engine.path_of(upper)]
    key = digest_of("diff with times", lower.key, upper.key)
    return DirectoryState(await engine.tree(key, lambda made: diff(paths[0], paths[1], made)))


@operation("Directory.withError")
async def with_error(engine: Engine, op: Op) -> DirectoryState:
    """Fail with the caller's own message when this directory is needed."""
    state = await engine.directory(op)
    if op.args["err"]:
        raise EngineError(op.args["err"])
    return state
