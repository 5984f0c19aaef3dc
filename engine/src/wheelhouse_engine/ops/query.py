"""Query: where every chain begins."""

import platform as machine
from pathlib import Path
from typing import Final

from wheelhouse_engine.engine import Engine
from wheelhouse_engine.errors import EngineError, UnsupportedError
from wheelhouse_engine.files import write_file
from wheelhouse_engine.graph import Op, digest_of
from wheelhouse_engine.handlers import operation
from wheelhouse_engine.imageconfig import MACHINES, ImageConfig
from wheelhouse_engine.states import (
    CacheState,
    ContainerState,
    DirectoryState,
    FileState,
    GitState,
    SecretState,
)

VERSION: Final = "v0.21.8"
"""The Dagger version whose answers this engine gives. Source: dagger.json's engineVersion."""
SECRET_LIMIT_BYTES: Final = 128_000
"""Source: the description of `Query.setSecret`."""
DEFAULT_FILE_MODE: Final = 0o644


def host_platform() -> str:
    """Return this machine as `linux/amd64`."""
    return f"linux/{MACHINES.get(machine.machine(), machine.machine())}"


@operation("Query.container")
async def container(_engine: Engine, op: Op) -> ContainerState:
    """Start with an empty container of this machine's platform."""
    wanted = op.args.get("platform") or host_platform()
    if wanted != host_platform():
        raise UnsupportedError(f"Query.container(platform: {wanted}) on {host_platform()}")
    return ContainerState(config=ImageConfig(architecture=wanted.split("/")[1]))


@operation("Query.directory")
async def directory(engine: Engine, _op: Op) -> DirectoryState:
    """Start with an empty directory."""
    return DirectoryState(await engine.tree("empty", lambda _: None))


@operation("Query.file")
async def file(engine: Engine, op: Op) -> FileState:
    """Make a file of a text."""
    name, contents = op.args["name"], op.args["contents"]
    mode = op.args.get("permissions") or DEFAULT_FILE_MODE
    if "/" in name or name in ("", ".", ".."):
        raise EngineError(f"file name {name!r} must not contain a directory")

    def make(made: Path) -> None:
        write_file(made, name, contents.encode(errors="surrogateescape"), mode)

    return FileState(await engine.tree(digest_of("file", name, contents, mode), make), f"/{name}")


@operation("Query.cacheVolume")
async def cache_volume(engine: Engine, op: Op) -> CacheState:
    """Name a cache volume."""
    source = await engine.evaluate(op.args["source"]) if op.args.get("source") else None
    return CacheState(op.args["key"], op.args.get("sharing", "SHARED"), source, op.args.get("owner", ""))


@operation("Query.setSecret")
async def set_secret(engine: Engine, op: Op) -> SecretState:
    """Take a secret's plaintext into memory."""
    if len(op.args["plaintext"].encode()) > SECRET_LIMIT_BYTES:
        raise EngineError(f"secret {op.args['name']!r} is larger than {SECRET_LIMIT_BYTES} bytes")
    engine.secrets.given[op.args["name"]] = op.args["plaintext"]
    return SecretState(op.args["name"])


@operation("Query.secret")
async def secret(_engine: Engine, op: Op) -> SecretState:
    """Refer to a secret by address; it is read when an exec needs it."""
    return SecretState(op.args["uri"], op.args["uri"], op.args.get("cacheKey") or "")


@operation("Query.host")
async def host(_engine: Engine, _op: Op) -> None:
    """Give access to the caller's machine."""


@operation("Query.address")
async def address(_engine: Engine, op: Op) -> str:
    """Hold an address until it is known what it should be."""
    return str(op.args["value"])


@operation("Query.version")
async def version(_engine: Engine, _op: Op) -> str:
    """Return the version of Dagger that this engine stands in for."""
    return VERSION


@operation("Query.defaultPlatform")
async def default_platform(_engine: Engine, _op: Op) -> str:
    """Return this machine's platform."""
    return host_platform()


@operation("Query.git")
async def git(engine: Engine, op: Op) -> GitState:
    """Refer to a remote repository."""
    auth = None
    header = await engine.evaluate(op.args["httpAuthHeader"]) if op.args.get("httpAuthHeader") else None
    if op.args.get("httpAuthToken"):
        token = await engine.evaluate(op.args["httpAuthToken"])
        auth = (op.args.get("httpAuthUsername") or "x-access-token", token)
    keep = op.args.get("keepGitDir", True)
    socket = await engine.evaluate(op.args["sshAuthSocket"]) if op.args.get("sshAuthSocket") else None
    service = op.args.get("experimentalServiceHost")
    return GitState(
        None,
        op.args["url"],
        keep_git_dir=keep,
        auth=auth,
        auth_header=header,
        ssh_socket=socket.path if socket else "",
        ssh_hosts=op.args.get("sshKnownHosts") or "",
        service=await engine.evaluate(service) if service else None,
    )


@operation("Query.error")
async def error(_engine: Engine, op: Op) -> dict[str, str]:
    """Make an error value."""
    return {"message": op.args["message"]}


@operation("Query.http")
async def http(engine: Engine, op: Op) -> FileState:
    """Download a file; see downloads.py."""
    from wheelhouse_engine import downloads  # noqa: PLC0415 - few sessions download anything

    return await downloads.file(engine, op)


async def _secret(engine: Engine, op: Op) -> SecretState:
    state: SecretState = await engine.parent(op)
    return state


@operation("Secret.plaintext")
async def plaintext(engine: Engine, op: Op) -> str:
    """Return the value."""
    return await engine.secrets.plaintext(await _secret(engine, op))


@operation("Secret.name")
async def secret_name(engine: Engine, op: Op) -> str:
    """Return the name given to `setSecret`; empty for an address."""
    state = await _secret(engine, op)
    return "" if state.uri else state.name


@operation("Secret.uri")
async def secret_uri(engine: Engine, op: Op) -> str:
    """Return the address; empty for a set secret."""
    return (await _secret(engine, op)).uri
