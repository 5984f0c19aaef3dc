"""File: one file inside a snapshot."""

import asyncio
import hashlib
import os
import re
from pathlib import Path
from typing import Any, Final

from wheelhouse_engine import listing
from wheelhouse_engine.comparing import file_sha256
from wheelhouse_engine.copying import Copying, copy_file
from wheelhouse_engine.diskspace import readable
from wheelhouse_engine.engine import Engine
from wheelhouse_engine.errors import EngineError
from wheelhouse_engine.files import set_owner, set_times
from wheelhouse_engine.graph import Op, digest_of
from wheelhouse_engine.handlers import operation
from wheelhouse_engine.leading import follow_link
from wheelhouse_engine.masking import text_of
from wheelhouse_engine.ops.filesystem import lazily
from wheelhouse_engine.states import FileState

LINE: Final = re.compile(r"[^\n]*\n?")
CONTENTS_LIMIT_BYTES: Final = 128 * 2**20
"""Largest file whose contents are given as text. Source: Dagger's MaxFileContentsSize."""


async def state_of(engine: Engine, op: Op) -> FileState:
    """Evaluate the file that the field is asked on."""
    state: FileState = await engine.parent(op)
    return state


@operation("File.contents")
async def contents(engine: Engine, op: Op) -> str:
    """Return the text; bytes that are not UTF-8 become the replacement character."""
    path = await engine.path_of(await state_of(engine, op))
    size = path.stat().st_size if path.exists() else 0
    if size > CONTENTS_LIMIT_BYTES and op.args.get("limitLines") is None:
        raise EngineError(f"file size {size} exceeds limit {CONTENTS_LIMIT_BYTES}")
    try:
        data = await asyncio.to_thread(path.read_bytes)
    except OSError as error:
        raise readable(error, engine.store.root) from error
    text = text_of(data)
    offset, limit = op.args.get("offsetLines"), op.args.get("limitLines")
    if offset is None and limit is None:
        return text
    lines = lines_of(text)[offset or 0 :]
    return "".join(lines if limit is None else lines[:limit])


def lines_of(text: str) -> list[str]:
    """Split a text after its newlines, and nowhere else."""
    return [line for line in LINE.findall(text) if line]


@operation("File.size")
async def size(engine: Engine, op: Op) -> int:
    """Return the size in bytes."""
    return (await engine.path_of(await state_of(engine, op))).stat().st_size


@operation("File.name")
async def name(engine: Engine, op: Op) -> str:
    """Return the file's name."""
    return (await state_of(engine, op)).name


@operation("File.digest")
async def digest(engine: Engine, op: Op) -> str:
    """Return the digest of the content, and of name, mode and owner unless they are excluded."""
    state = await state_of(engine, op)
    path = await engine.path_of(state)
    content = await asyncio.to_thread(file_sha256, path)
    if op.args.get("excludeMetadata"):
        return f"sha256:{content}"
    found = path.lstat()
    metadata = f"{state.name} {found.st_mode} {found.st_uid} {found.st_gid} {content}"
    return f"sha256:{hashlib.sha256(metadata.encode(errors='surrogateescape')).hexdigest()}"


@operation("File.stat")
async def stat(engine: Engine, op: Op) -> dict[str, Any]:
    """Describe the file."""
    state = await state_of(engine, op)
    found = listing.stat(await engine.root_of(state.snapshot), state.path)
    return {
        "size": found.size,
        "permissions": found.permissions,
        "fileType": found.file_type.value,
        "name": found.name,
    }


@operation("File.search")
async def search(engine: Engine, op: Op) -> list[Op]:
    """Find lines of the file by text or pattern."""
    from wheelhouse_engine.ops.reading import search_in  # noqa: PLC0415 - the two refer to each other

    path = await engine.path_of(await state_of(engine, op))
    return await search_in(engine, op, path.parent, [path.name])


@operation("File.sync")
async def sync(engine: Engine, op: Op) -> str:
    """Make the file."""
    await engine.parent(op)
    assert op.parent is not None  # noqa: S101 - `parent` found it
    return op.parent.digest


@operation("File.withName")
async def with_name(engine: Engine, op: Op) -> FileState:
    """Return the file under another name."""
    if "/" in op.args["name"]:
        raise EngineError(f'file name "{op.args["name"]}" must not contain a directory')
    return await _derived(engine, op, op.args["name"], lambda _path: None, name=op.args["name"])


@operation("File.withTimestamps")
async def with_timestamps(engine: Engine, op: Op) -> FileState:
    """Return the file with other times."""
    seconds = op.args["timestamp"]
    state = await state_of(engine, op)
    await asyncio.to_thread(follow_link, await engine.root_of(state.snapshot), state.path)
    return await _derived(engine, op, seconds, lambda path: set_times(path.parent, seconds))


@operation("File.chown")
async def chown(engine: Engine, op: Op) -> FileState:
    """Return the file with another owner; names are those of the file system it lies in."""
    from wheelhouse_engine.ops.directory import owner_in  # noqa: PLC0415 - the two refer to each other

    owner = await owner_in(engine, (await state_of(engine, op)).snapshot, op.args["owner"])
    return await _derived(engine, op, owner, lambda path: set_owner(path.parent, path.name, owner))


@operation("File.withReplaced")
async def with_replaced(engine: Engine, op: Op) -> FileState:
    """Return the file with a text replaced: the only occurrence, all, or the first from a line."""
    search, replacement = op.args["search"], op.args["replacement"]
    first_from, everything = op.args.get("firstFrom"), op.args.get("all", False)

    def edit(path: Path) -> None:
        text = path.read_text()
        head = "".join(lines_of(text)[: max((first_from or 1) - 1, 0)])
        tail = text[len(head) :]
        places = [found.start() for found in re.finditer(re.escape(search), tail)]
        if not places and not everything:
            raise EngineError("search string not found")
        if len(places) > 1 and not everything and first_from is None:
            raise EngineError(f"search string found multiple times: {_places(tail, search, places)}")
        path.write_text(head + tail.replace(search, replacement, -1 if everything else 1))

    return await _derived(engine, op, [search, replacement, first_from, everything], edit)


def _places(text: str, search: str, places: list[int]) -> str:
    """Name places by line, and by bytes from its start."""
    named = []
    for at in places:
        before = text[:at].rpartition("\n")[2].encode()
        line = text.count("\n", 0, at) + 1
        named.append(f"line {line} ({len(before)}-{len(before) + len(search.encode())})")
    return ", ".join(named)


async def _derived(engine: Engine, op: Op, what: object, edit: Any, *, name: str = "") -> FileState:
    """Return a changed copy of the file."""
    state = await state_of(engine, op)
    origin = await lazily(engine, state)
    name = name or state.name

    def make(made: Path) -> None:
        copy_file(origin(), made, name, Copying(link=False))
        edit(made / name)

    return FileState(await engine.tree(digest_of("file", state.key, op.field, what, name), make), f"/{name}")


@operation("File.export")
async def export(engine: Engine, op: Op) -> str:
    """Write the file to the host, whole or not at all."""
    state = await state_of(engine, op)
    target = host_path(engine, op.args["path"])
    if target.is_dir() or op.args["path"].endswith("/"):
        if not op.args.get("allowParentDirPath"):
            raise EngineError(
                f"destination {op.args['path']!r} is a directory; must be a file path "
                "unless allowParentDirPath is set"
            )
        target = target / state.name
    source = await engine.path_of(state)
    try:
        await asyncio.to_thread(_write, source, target)
    except OSError as error:
        raise readable(error, engine.store.root, target) from error
    return str(target)


def _write(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with source.open("rb") as reading, partial.open("wb") as writing:
            while data := reading.read(1 << 20):
                writing.write(data)
        partial.chmod(source.stat().st_mode & 0o777)
        partial.rename(target)
    finally:
        partial.unlink(missing_ok=True)


def host_path(engine: Engine, text: str) -> Path:
    """Return an absolute host path; a relative one starts at the session's directory."""
    path = Path(text.removeprefix("file://"))
    if path.parts[:1] == ("~",):
        path = Path(engine.environ.get("HOME", "/"), *path.parts[1:])
    return Path(os.path.normpath(engine.workdir / path))
