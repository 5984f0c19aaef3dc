"""Container: mounts. They surround execs and never enter the image."""

from dataclasses import replace

from wheelhouse_engine.engine import Engine
from wheelhouse_engine.files import set_owner
from wheelhouse_engine.graph import Op
from wheelhouse_engine.handlers import operation, refuse
from wheelhouse_engine.ops.config import path_arg
from wheelhouse_engine.ops.filesystem import owner_of
from wheelhouse_engine.states import CacheState, ContainerState, DirectoryState, Mount


@operation("Container.withMountedDirectory")
async def with_mounted_directory(engine: Engine, op: Op) -> ContainerState:
    """Mount a directory copy-on-write, or read-only."""
    state = await engine.container(op)
    source: DirectoryState = await engine.evaluate(op.args["source"])
    if (owner := await owner_of(engine, state, op)) is not None:
        what, path = ["mounted", owner], source.path
        source = await engine.edited(source, what, lambda root: set_owner(root, path, owner))
    return state.with_mount(
        Mount(_target(state, op), "directory", source, read_only=op.args.get("readOnly", False))
    )


@operation("Container.withMountedFile")
async def with_mounted_file(engine: Engine, op: Op) -> ContainerState:
    """Mount a private copy of a file."""
    state = await engine.container(op)
    source = await engine.evaluate(op.args["source"])
    return state.with_mount(Mount(_target(state, op), "file", source, owner=await _owner(engine, state, op)))


@operation("Container.withMountedCache")
async def with_mounted_cache(engine: Engine, op: Op) -> ContainerState:
    """Mount a cache volume."""
    state = await engine.container(op)
    cache: CacheState = await engine.evaluate(op.args["cache"])
    if op.args.get("source"):
        cache = replace(cache, source=await engine.evaluate(op.args["source"]))
    sharing = op.args.get("sharing") or cache.sharing
    mount = Mount(_target(state, op), "cache", cache, owner=await _owner(engine, state, op), sharing=sharing)
    return state.with_mount(mount)


@operation("Container.withMountedTemp")
async def with_mounted_temp(engine: Engine, op: Op) -> ContainerState:
    """Mount an empty tmpfs; each exec gets its own."""
    state = await engine.container(op)
    return state.with_mount(Mount(_target(state, op), "temp", size_bytes=op.args.get("size") or 0))


@operation("Container.withMountedSecret")
async def with_mounted_secret(engine: Engine, op: Op) -> ContainerState:
    """Mount a secret as a file in memory."""
    state = await engine.container(op)
    secret = await engine.evaluate(op.args["source"])
    owner, mode = await _owner(engine, state, op), op.args.get("mode", 0o400)
    return state.with_mount(Mount(_target(state, op), "secret", secret, owner=owner, mode=mode))


@operation("Container.withoutMount")
async def without_mount(engine: Engine, op: Op) -> ContainerState:
    """Take a mount away; what lies below it shows again."""
    state = await engine.container(op)
    return state.without_mount(_target(state, op))


@operation("Container.withUnixSocket")
async def with_unix_socket(engine: Engine, op: Op) -> ContainerState:
    """Show execs a Unix socket of this machine."""
    state = await engine.container(op)
    refuse(op, "owner")
    return state.with_mount(Mount(_target(state, op), "socket", await engine.evaluate(op.args["source"])))


@operation("Container.withoutUnixSocket")
async def without_unix_socket(engine: Engine, op: Op) -> ContainerState:
    """Take a socket away again."""
    state = await engine.container(op)
    return state.without_mount(_target(state, op))


@operation("Container.mounts")
async def mounts(engine: Engine, op: Op) -> list[str]:
    """Return the targets of the mounts, in the order they were made; secrets are not listed."""
    return [
        mount.target
        for mount in (await engine.container(op)).mounts
        if mount.kind not in ("secret", "socket")
    ]


async def _owner(engine: Engine, state: ContainerState, op: Op) -> str:
    """Return the owner of a mount as numbers: names are those of the container it is mounted in."""
    owner = await owner_of(engine, state, op)
    return "" if owner is None else f"{owner[0]}:{owner[1]}"


def _target(state: ContainerState, op: Op) -> str:
    return path_arg(state, op).rstrip("/") or "/"
