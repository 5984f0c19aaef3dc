"""Directory: what is asked of it; nothing is changed."""

import asyncio
import contextlib
import posixpath
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path, PurePosixPath
from typing import Any

from wheelhouse_engine import listing, searching
from wheelhouse_engine.comparing import tree_digest
from wheelhouse_engine.diskspace import readable
from wheelhouse_engine.engine import Engine
from wheelhouse_engine.errors import EngineError
from wheelhouse_engine.graph import Op
from wheelhouse_engine.handlers import operation
from wheelhouse_engine.ops.filesystem import checked_directory
from wheelhouse_engine.ops.values import many


async def read(engine: Engine, work: Callable[..., Any], *args: object) -> Any:
    """Run something that reads files, in a thread."""
    try:
        return await asyncio.to_thread(work, *args)
    except (OSError, ValueError) as error:
        raise sentence(engine, error) from error


def sentence(engine: Engine, error: Exception) -> EngineError:
    """Return what went wrong with a path, in words."""
    if isinstance(error, OSError) and error.errno is not None:
        name = error.filename if isinstance(error.filename, str) else ""
        if error.errno in (2, 20) and name:
            return EngineError(f"open {name}: {(error.strerror or '').lower()}")
        return readable(error, engine.store.root)
    return EngineError(str(error))


@operation("Directory.entries")
async def entries(engine: Engine, op: Op) -> list[str]:
    """List names; directories end in a slash."""
    state = await engine.directory(op)
    root = await engine.root_of(state.snapshot)
    listed: list[str] = await read(engine, listing.entries, root, state.at(op.args.get("path") or "/"))
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
    state = await engine.directory(op)
    path = op.args["path"]
    return bool(path) and await exists_at(engine, await engine.root_of(state.snapshot), state.at(path), op)


async def exists_at(engine: Engine, root: Path, path: str, op: Op) -> bool:
    """Say whether something of the expected kind is at a path of a root.

    Raises EngineError for a path through a file, and for links in a circle: neither is an answer.
    """
    expected = (op.args.get("expectedType") or "").removesuffix("_TYPE")
    follow = not op.args.get("doNotFollowSymlinks") and expected != "SYMLINK"
    try:
        found = listing.stat(root, path, follow_last=follow)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise sentence(engine, error) from error
    return not expected or found.file_type.value == expected


@operation("Directory.stat")
async def stat(engine: Engine, op: Op) -> dict[str, Any]:
    """Describe what is at a path."""
    state = await engine.directory(op)
    path = op.args["path"] and state.at(op.args["path"])
    return await stat_at(await engine.root_of(state.snapshot), path, op)


async def stat_at(root: Path, path: str, op: Op) -> dict[str, Any]:
    """Describe what is at a path of a root; raises EngineError when nothing is."""
    try:
        found = listing.stat(root, path, follow_last=not op.args.get("doNotFollowSymlinks"))
    except OSError as error:
        raise EngineError(f"stat {op.args['path']}: {(error.strerror or '').lower()}") from error
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
    """Return the last part of the directory's path, with a slash."""
    return (await engine.directory(op)).path.rstrip("/").rpartition("/")[2] + "/"


@operation("Directory.findUp")
async def find_up(engine: Engine, op: Op) -> str | None:
    """Return the nearest path of a name, going up from a start inside the directory."""
    if not op.args["name"]:
        raise EngineError("name cannot be empty")
    state = await engine.directory(op)
    at = PurePosixPath(posixpath.normpath(op.args["start"] or "."))
    if at.parts[:1] == ("..",):
        raise EngineError(f"cannot search outside parent: {at}")
    await checked_directory(engine, state.snapshot, state.at(str(at)), str(at))
    root = await engine.path_of(state)
    for folder in (at, *at.parents):
        found = posixpath.normpath(str(folder / op.args["name"]))
        with contextlib.suppress(OSError):
            listing.stat(root, found, follow_last=False)
            return found
    return None
