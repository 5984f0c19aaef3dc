"""Host: the caller's files and ports; Address: what the command line hands over."""

import asyncio
import os
import shutil
from pathlib import Path

from wheelhouse_engine.copying import Copying, copy_tree
from wheelhouse_engine.diskspace import readable
from wheelhouse_engine.engine import Engine
from wheelhouse_engine.errors import EngineError, UnsupportedError
from wheelhouse_engine.graph import Op, digest_of
from wheelhouse_engine.handlers import operation
from wheelhouse_engine.hostsync import HostSync
from wheelhouse_engine.ignore import Filter
from wheelhouse_engine.ops.changeset import apply_changes, changes_of
from wheelhouse_engine.ops.file import host_path
from wheelhouse_engine.ops.filesystem import filter_of
from wheelhouse_engine.states import (
    ChangesetState,
    ContainerState,
    DirectoryState,
    FileState,
    GitState,
    SecretState,
    ServiceState,
    Snapshot,
    SocketState,
)


async def bring_directory(engine: Engine, path: Path, wanted: Filter) -> DirectoryState:
    """Copy a host directory into the store by content; an unchanged one costs a walk."""
    if not path.is_dir():
        raise EngineError(_missing(path))
    name = str(path)
    async with engine.step(digest_of("host", name), f"host {name}"):
        sync = HostSync(engine.store.trees, engine.store.root / "hostsync")
        key = await asyncio.to_thread(sync.sync, path, wanted)
    return DirectoryState(Snapshot(key))


async def bring_file(engine: Engine, path: Path) -> FileState:
    """Copy a host file into the store by content."""
    if path.is_dir():
        raise EngineError(f"path {path.name} is a directory, not a file")
    if not path.exists():
        raise EngineError(_missing(path))
    sync = HostSync(engine.store.trees, engine.store.root / "hostsync")
    try:
        key = await asyncio.to_thread(sync.sync_file, path)
    except OSError as error:
        raise readable(error, engine.store.root) from error
    return FileState(Snapshot(key), f"/{path.name}")


def _missing(path: Path) -> str:
    """Say which part of a path is not there."""
    if path.exists():
        return f"stat {path}: not a directory"
    there = path
    while not there.parent.exists():
        there = there.parent
    return f"lstat {there}: no such file or directory"


@operation("Host.directory")
async def directory(engine: Engine, op: Op) -> DirectoryState:
    """Return a directory of the host."""
    return await bring_directory(engine, host_path(engine, op.args["path"]), filter_of(op))


@operation("Host.file")
async def file(engine: Engine, op: Op) -> FileState:
    """Return a file of the host."""
    return await bring_file(engine, host_path(engine, op.args["path"]))


@operation("Host.findUp")
async def find_up(engine: Engine, op: Op) -> str | None:
    """Return the nearest path of a name, going up from the session's directory and as seen from it."""
    for folder in (engine.workdir, *engine.workdir.parents):
        if (folder / op.args["name"]).exists():
            return os.path.relpath(folder / op.args["name"], engine.workdir)
    return None


@operation("Host.service")
async def service(_engine: Engine, op: Op) -> ServiceState:
    """Make ports of the host a service."""
    ports = tuple((p.get("frontend") or p["backend"], p["backend"]) for p in op.args["ports"])
    return ServiceState(None, host=op.args.get("host") or "localhost", ports=ports)


@operation("Directory.export")
async def export_directory(engine: Engine, op: Op) -> str:
    """Write a directory to the host; files there stay unless they are to be wiped."""
    source = await engine.path_of(await engine.directory(op))
    target = host_path(engine, op.args["path"])
    try:
        await asyncio.to_thread(_write_tree, source, target, op.args.get("wipe", False))
    except OSError as error:
        raise readable(error, engine.store.root, target) from error
    return str(target)


def _write_tree(source: Path, target: Path, wipe: bool) -> None:
    target.mkdir(parents=True, exist_ok=True)
    if wipe:
        for child in target.iterdir():
            if child.is_dir() and not child.is_symlink():
                shutil.rmtree(child)
            else:
                child.unlink()
    copy_tree(source, target, "/", _exported())


def _exported() -> Copying:
    return Copying(owner=(os.geteuid(), os.getegid()), link=False)


@operation("Changeset.export")
async def export_changeset(engine: Engine, op: Op) -> str:
    """Apply a changeset to a directory of the host."""
    state: ChangesetState = await engine.parent(op)
    target = host_path(engine, op.args["path"])
    found = await changes_of(engine, state)
    after = await engine.path_of(state.after)
    try:
        target.mkdir(parents=True, exist_ok=True)
        await asyncio.to_thread(apply_changes, found, after, target, _exported())
    except OSError as error:
        raise readable(error, engine.store.root, target) from error
    return str(target)


def socket_at(engine: Engine, text: str) -> SocketState:
    """Return a Unix socket of this machine; raises EngineError when there is none."""
    path = host_path(engine, text.removeprefix("unix://"))
    if not path.is_socket():
        raise EngineError(f"{path}: found {'a file' if path.exists() else 'nothing'}, expected a Unix socket")
    return SocketState(str(path))


@operation("Host.unixSocket")
async def unix_socket(engine: Engine, op: Op) -> SocketState:
    """Return a Unix socket of this machine."""
    return socket_at(engine, op.args["path"])


@operation("Address.socket")
async def address_socket(engine: Engine, op: Op) -> SocketState:
    """Read an address as a Unix socket of this machine."""
    return socket_at(engine, await _address(engine, op))


async def _address(engine: Engine, op: Op) -> str:
    return str(await engine.parent(op))


@operation("Address.value")
async def value(engine: Engine, op: Op) -> str:
    """Return the address as it was given."""
    return await _address(engine, op)


def is_remote(text: str) -> bool:
    """Say whether an address names a git repository rather than a path."""
    return text.startswith(("https://", "http://", "ssh://", "git@", "git://"))


@operation("Address.directory")
async def address_directory(engine: Engine, op: Op) -> DirectoryState:
    """Read an address as a directory: a local path, or a git URL with `#ref:subdir`."""
    from wheelhouse_engine.ops.checkouts import tree_at  # noqa: PLC0415 - the two refer to each other

    text = await _address(engine, op)
    if is_remote(text):
        return await tree_at(engine, text)
    return await bring_directory(engine, host_path(engine, text), filter_of(op))


@operation("Address.file")
async def address_file(engine: Engine, op: Op) -> FileState:
    """Read an address as a file."""
    text = await _address(engine, op)
    if is_remote(text):
        raise UnsupportedError("Address.file of a remote repository")
    return await bring_file(engine, host_path(engine, text))


@operation("Address.secret")
async def address_secret(engine: Engine, op: Op) -> SecretState:
    """Read an address as a secret reference."""
    text = await _address(engine, op)
    return SecretState(text, text if ":" in text else f"env://{text}")


@operation("Address.container")
async def address_container(engine: Engine, op: Op) -> ContainerState:
    """Read an address as an image reference."""
    from wheelhouse_engine.ops.image import pulled  # noqa: PLC0415 - the two refer to each other

    return await pulled(engine, ContainerState(), await _address(engine, op))


@operation("Address.service")
async def address_service(engine: Engine, op: Op) -> ServiceState:
    """Read `tcp://host:port` as a service of the host."""
    text = await _address(engine, op)
    scheme, _, rest = text.partition("://")
    host, _, port = rest.rpartition(":")
    if scheme not in ("tcp", "udp") or not host or not port.isdecimal():
        raise EngineError(f"service address {text!r}: expected tcp://HOST:PORT")
    return ServiceState(None, host=host, ports=((int(port), int(port)),))


@operation("Address.gitRepository", "Address.gitRef")
async def address_git(engine: Engine, op: Op) -> GitState:
    """Read an address as a repository, or as a ref of one."""
    from wheelhouse_engine.ops.checkouts import repository_at  # noqa: PLC0415

    return await repository_at(engine, await _address(engine, op), resolved=op.field == "gitRef")
