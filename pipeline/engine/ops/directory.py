"""Directory: immutable folders; each change makes a new one of hard links."""

import asyncio
import posixpath
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.engine import listing, searching
from pipeline.engine.comparing import diff, tree_digest
from pipeline.engine.copying import Copying, copy_file
from pipeline.engine.diskspace import readable
from pipeline.engine.engine import Engine
from pipeline.engine.errors import EngineError
from pipeline.engine.files import make_directory, make_symlink, remove, set_owner, set_times, write_file
from pipeline.engine.graph import Op, digest_of
from pipeline.engine.handlers import operation
from pipeline.engine.ops.filesystem import checked_directory, checked_file, filter_of, lazily, merging
from pipeline.engine.ops.values import many
from pipeline.engine.owners import parse_owner
from pipeline.engine.states import DirectoryState, FileState


async def edit(engine: Engine, op: Op, what: object, change: Callable[[Path], None]) -> DirectoryState:
    """Return the directory after a change; an unreadable path becomes a sentence."""
    state = await engine.directory(op)
    try:
        return await engine.edited(state, [op.field, what], change)
    except (OSError, ValueError) as error:
        raise _sentence(engine, error) from error


async def read(engine: Engine, work: Callable[..., Any], *args: object) -> Any:
    """Run something that reads files, in a thread."""
    try:
        return await asyncio.to_thread(work, *args)
    except (OSError, ValueError) as error:
        raise _sentence(engine, error) from error


def _sentence(engine: Engine, error: Exception) -> EngineError:
    if isinstance(error, OSError) and error.errno is not None:
        name = error.filename if isinstance(error.filename, str) else ""
        if error.errno in (2, 20) and name:
            return EngineError(f"open {name}: {(error.strerror or '').lower()}")
        return readable(error, engine.store.root)
    return EngineError(str(error))


@operation("Directory.withNewFile")
async def with_new_file(engine: Engine, op: Op) -> DirectoryState:
    """Write a text into a file."""
    path, contents, mode = op.args["path"], op.args["contents"], op.args.get("permissions") or 0o644
    data = contents.encode(errors="surrogateescape")
    return await edit(engine, op, [path, contents, mode], lambda root: write_file(root, path, data, mode))


@operation("Directory.withNewDirectory")
async def with_new_directory(engine: Engine, op: Op) -> DirectoryState:
    """Make an empty directory."""
    path, mode = op.args["path"], op.args.get("permissions") or 0o755
    mode = 0o755 if mode == NEW_DIRECTORY_DEFAULT else mode
    return await edit(engine, op, [path, mode], lambda root: make_directory(root, path, mode))


NEW_DIRECTORY_DEFAULT = 420
"""0644: the API's default, with which a real engine makes a directory 0755."""


@operation("Directory.withSymlink")
async def with_symlink(engine: Engine, op: Op) -> DirectoryState:
    """Make a symbolic link."""
    target, link = op.args["target"], op.args["linkName"]
    return await edit(engine, op, [target, link], lambda root: make_symlink(root, target, link))


@operation("Directory.withFile")
async def with_file(engine: Engine, op: Op) -> DirectoryState:
    """Copy a file in; a path that ends in a slash keeps its name."""
    source: FileState = await engine.evaluate(op.args["source"])
    path, mode = op.args["path"], op.args.get("permissions")
    owner = _owner(op)
    origin = await lazily(engine, source)
    return await edit(
        engine,
        op,
        [path, source.key, mode, owner],
        lambda root: copy_file(origin(), root, path, Copying(mode=mode, owner=owner), name=source.name),
    )


@operation("Directory.withFiles")
async def with_files(engine: Engine, op: Op) -> DirectoryState:
    """Copy files into a directory."""
    sources: list[FileState] = [await engine.evaluate(one) for one in op.args["sources"]]
    path, mode = op.args["path"], op.args.get("permissions")
    origins = [(await lazily(engine, one), one.name) for one in sources]

    def change(root: Path) -> None:
        for origin, name in origins:
            copy_file(origin(), root, f"{path.rstrip('/')}/", Copying(mode=mode), name=name)

    return await edit(engine, op, [path, [one.key for one in sources], mode], change)


@operation("Directory.withDirectory")
async def with_directory(engine: Engine, op: Op) -> DirectoryState:
    """Merge a directory in."""
    source: DirectoryState = await engine.evaluate(op.args["source"])
    wanted, owner, mode = filter_of(op), _owner(op), op.args.get("permissions")
    path = op.args["path"]
    merge = await merging(engine, source, Copying(filter=wanted, owner=owner, mode=mode))
    identity = [path, source.key, wanted.include, wanted.exclude, wanted.gitignore, owner, mode]
    return await edit(engine, op, identity, lambda root: merge(root, path))


@operation("Directory.filter")
async def filter_(engine: Engine, op: Op) -> DirectoryState:
    """Keep what include, exclude and gitignore leave."""
    state = await engine.directory(op)
    wanted = filter_of(op)
    merge = await merging(engine, state, Copying(filter=wanted))
    key = digest_of("filter", state.key, wanted.include, wanted.exclude, wanted.gitignore)
    try:
        return DirectoryState(await engine.tree(key, lambda made: merge(made, "/")))
    except (OSError, ValueError) as error:
        raise _sentence(engine, error) from error


@operation("Directory.withoutDirectory", "Directory.withoutFile")
async def without(engine: Engine, op: Op) -> DirectoryState:
    """Remove a path; nothing there is fine."""
    path = op.args["path"]

    def change(root: Path) -> None:
        remove(root, path)

    return await edit(engine, op, path, change)


@operation("Directory.withoutFiles")
async def without_files(engine: Engine, op: Op) -> DirectoryState:
    """Remove several paths."""
    paths = op.args["paths"]

    def change(root: Path) -> None:
        for path in paths:
            remove(root, path)

    return await edit(engine, op, paths, change)


@operation("Directory.withTimestamps")
async def with_timestamps(engine: Engine, op: Op) -> DirectoryState:
    """Set the times of everything, in seconds since 1970."""
    seconds = op.args["timestamp"]
    return await edit(engine, op, seconds, lambda root: set_times(root, seconds))


@operation("Directory.chown")
async def chown(engine: Engine, op: Op) -> DirectoryState:
    """Give a path and all below it to an owner, by number."""
    path, owner = op.args["path"], _owner(op)
    assert owner is not None  # noqa: S101 - a required argument
    return await edit(engine, op, [path, owner], lambda root: set_owner(root, path, owner))


def _owner(op: Op) -> tuple[int, int] | None:
    """Read an owner; a directory alone has no /etc/passwd, so names are refused."""
    if not op.args.get("owner"):
        return None
    try:
        return parse_owner(op.args["owner"], Path("/nonexistent"))
    except (LookupError, OSError) as error:
        raise EngineError(f"owner {op.args['owner']!r}: expected numbers such as 1000:1000") from error


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


@operation("Directory.entries")
async def entries(engine: Engine, op: Op) -> list[str]:
    """List names; directories end in a slash."""
    root = await engine.path_of(await engine.directory(op))
    listed: list[str] = await read(engine, listing.entries, root, op.args.get("path") or "/")
    return listed


@operation("Directory.glob")
async def glob(engine: Engine, op: Op) -> list[str]:
    """List the paths that match a pattern."""
    root = await engine.path_of(await engine.directory(op))
    found: list[str] = await read(engine, listing.glob, root, op.args["pattern"])
    return found


@operation("Directory.search")
async def search(engine: Engine, op: Op) -> list[Op]:
    """Find lines by text or pattern."""
    return await search_in(engine, op, await engine.path_of(await engine.directory(op)), op.args.get("paths"))


async def search_in(engine: Engine, op: Op, root: Path, paths: Sequence[str] | None) -> list[Op]:
    """Search below a host folder, in all of it or at some paths."""
    names = {
        "pattern": "pattern",
        "literal": "literal",
        "multiline": "multiline",
        "dotall": "dotall",
        "insensitive": "insensitive",
        "skipIgnored": "skip_ignored",
        "skipHidden": "skip_hidden",
        "filesOnly": "files_only",
        "limit": "limit",
    }
    given: dict[str, Any] = {python: op.args[api] for api, python in names.items() if op.args.get(api)}
    given |= {"paths": tuple(paths)} if paths else {}
    given |= {"globs": tuple(op.args["globs"])} if op.args.get("globs") else {}
    found = await read(engine, searching.search, root, searching.Search(**given))
    return many(engine, op, [_camel(asdict(one)) for one in found])


def _camel(value: Any) -> Any:
    """Return a mapping with the API's names."""
    if isinstance(value, dict):
        return {_camel_name(key): _camel(item) for key, item in value.items()}
    return [_camel(item) for item in value] if isinstance(value, list | tuple) else value


def _camel_name(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.title() for part in rest)


@operation("Directory.exists")
async def exists(engine: Engine, op: Op) -> bool:
    """Say whether something is at a path."""
    return await exists_at(await engine.path_of(await engine.directory(op)), op.args["path"], op)


async def exists_at(root: Path, path: str, op: Op) -> bool:
    """Say whether something of the expected kind is at a path of a root."""
    try:
        found = listing.stat(root, path, follow_last=not op.args.get("doNotFollowSymlinks"))
    except OSError:
        return False
    expected = (op.args.get("expectedType") or "").removesuffix("_TYPE")
    return not expected or found.file_type.value == expected


@operation("Directory.stat")
async def stat(engine: Engine, op: Op) -> dict[str, Any]:
    """Describe what is at a path."""
    return await stat_at(await engine.path_of(await engine.directory(op)), op.args["path"], op)


async def stat_at(root: Path, path: str, op: Op) -> dict[str, Any]:
    """Describe what is at a path of a root; raises EngineError when nothing is."""
    try:
        found = listing.stat(root, path, follow_last=not op.args.get("doNotFollowSymlinks"))
    except OSError as error:
        raise EngineError(f"stat {path}: {(error.strerror or '').lower()}") from error
    return {
        "size": found.size,
        "permissions": found.permissions,
        "fileType": found.file_type.value,
        "name": found.name,
    }


@operation("Directory.digest")
async def digest(engine: Engine, op: Op) -> str:
    """Return the digest of the content; times do not count."""
    root = await engine.path_of(await engine.directory(op))
    return f"sha256:{await asyncio.to_thread(tree_digest, root)}"


@operation("Directory.name")
async def name(engine: Engine, op: Op) -> str:
    """Return the last part of the directory's path."""
    return (await engine.directory(op)).path.rstrip("/").rpartition("/")[2] or "/"


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
    key = digest_of("diff", lower.key, upper.key)
    return DirectoryState(await engine.tree(key, lambda made: diff(paths[0], paths[1], made)))


@operation("Directory.findUp")
async def find_up(engine: Engine, op: Op) -> str | None:
    """Return the nearest path of a name, going up from a start inside the directory."""
    root = await engine.path_of(await engine.directory(op))
    at = PurePosixPath("/", posixpath.normpath(op.args["start"]))
    for folder in (at, *at.parents):
        if await exists_at(root, str(folder / op.args["name"]), op):
            return str(folder / op.args["name"]).lstrip("/")
    return None


@operation("Directory.withError")
async def with_error(engine: Engine, op: Op) -> DirectoryState:
    """Fail with the caller's own message when this directory is needed."""
    state = await engine.directory(op)
    if op.args["err"]:
        raise EngineError(op.args["err"])
    return state
