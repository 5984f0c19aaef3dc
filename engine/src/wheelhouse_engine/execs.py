"""Run a process in a container: mounts laid over, outputs kept, nothing of it left in the image."""

import asyncio
import contextlib
import os
import posixpath
import re
import shutil
import stat
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from wheelhouse_engine.attaching import Laid, attach, bind
from wheelhouse_engine.buildah import Working
from wheelhouse_engine.capturing import place_of, read_place_of, read_redirected, redirected
from wheelhouse_engine.certificates import CA_TARGET, CA_VARIABLES, own_certificates
from wheelhouse_engine.confinement import grant_all, join_network, learn, write_private
from wheelhouse_engine.containers import Ended
from wheelhouse_engine.diskspace import is_full, no_space
from wheelhouse_engine.errors import EngineError, ExecError
from wheelhouse_engine.execusers import user_of
from wheelhouse_engine.masking import Mask
from wheelhouse_engine.paths import named_inside, resolve
from wheelhouse_engine.runner import Stream
from wheelhouse_engine.states import ContainerState, SecretState

if TYPE_CHECKING:
    from wheelhouse_engine.engine import Engine

INIT_PATHS: Final = ("/usr/bin/tini-static", "/usr/bin/tini", "/usr/libexec/podman/catatonit")
"""Small static init programs; the first that exists becomes process 1."""
INIT_TARGET: Final = "/dev/.init"
"""Below /dev, which is a tmpfs: no mount point is left in the image."""
PROXY_VARIABLES: Final = (
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "ALL_PROXY",
)
DEFAULT_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
RUNC_FAILED: Final = re.compile(r'unable to start container process: exec: "(.*?)": (.*)')
RESOLVERS: Final = ("/etc/resolv.conf", "/run/systemd/resolve/resolv.conf")
"""The machine's resolver, and those behind it. Source: systemd-resolved(8)."""
LOOPBACK_RESOLVER: Final = re.compile(rb"^\s*nameserver\s+(?:127\.|::1)", re.MULTILINE)
TINI_FAILED: Final = re.compile(r"\[FATAL tini \(\d+\)\] exec (.*) failed: (.*)\n?")


@dataclass(frozen=True, slots=True)
class Command:
    """Say what to run and how, apart from the container it runs in."""

    args: Sequence[str]
    all_capabilities: bool = False
    init: bool = True
    hosts: Sequence[tuple[str, str]] = ()
    """Address and name of each service in reach."""
    hostname: str = "dagger"
    network: str = ""
    """Path of a network namespace; empty is the machine's."""
    nested: bool = False
    """The process may ask this session."""
    caches: Mapping[str, str] = field(default_factory=dict)
    """Target of each cache mount -> name of the folder it gets."""
    redirects: Mapping[Stream, str] = field(default_factory=dict)
    """Paths of the files that outputs go to as well."""
    stdin_from: str = ""
    """Path of the file that standard input comes from; "" for none."""


@contextlib.asynccontextmanager
async def laid(
    engine: "Engine", state: ContainerState, command: Command, working: Working, scratch: Path
) -> AsyncIterator[Laid]:
    """Prepare mounts, users, environment, and the runtime's bundle: in memory, since it holds secrets."""
    bundle = engine.buildah.tmpfs / f"{engine.session}-{scratch.name}"
    bundle.mkdir(mode=0o700)
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, bundle, ignore_errors=True)
        laid = Laid(working, bundle, scratch)
        with named_inside(working.path):
            await _lay(engine, state, command, laid, stack)
        yield laid


async def _lay(
    engine: "Engine", state: ContainerState, command: Command, laid: Laid, stack: contextlib.ExitStack
) -> None:
    working = laid.working
    laid.caches = command.caches
    document = await learn(engine.buildah, engine.store)
    mounts = [await attach(engine, mount, laid) for mount in state.mounts]
    user = user_of(state.config.user, command.args, working.path)
    laid.mask = await mask_of(engine, state)
    await asyncio.to_thread(_redirect, command, laid, user["ids"], stack)
    cwd = state.config.workdir or "/"
    await asyncio.to_thread(_make_workdir, laid, cwd, user["ids"])
    env = await environment(engine, state, user["home"])
    env += [f"{name}={value}" for name, value in engine.door.items()] if command.nested else []
    mounts += _system_mounts(engine, laid, command)
    args = list(command.args)
    if command.init and (init := init_program()):
        mounts.append(bind(init, INIT_TARGET, read_only=True))
        args = [INIT_TARGET, "--", *args]
    laid.stubs = _missing(working.path, [m["destination"] for m in mounts])
    document["root"] = {"path": str(working.path)}
    document["hostname"] = command.hostname
    document["mounts"] += mounts
    document["process"] |= {"args": args, "env": env, "cwd": cwd, "user": user["ids"], "terminal": False}
    if command.network:
        join_network(document, command.network)
    if command.all_capabilities:
        grant_all(document)
    write_private(laid.bundle / "config.json", document)


async def mask_of(engine: "Engine", state: ContainerState) -> Mask:
    """Return the mask of the secrets that a container is given: as variables and as files."""
    mounted = [mount.source for mount in state.mounts if isinstance(mount.source, SecretState)]
    values = [await engine.secrets.plaintext(one) for one in [*(s for _, s in state.secret_env), *mounted]]
    return Mask.of(value.encode(errors="surrogateescape") for value in values)


def _redirect(command: Command, laid: Laid, ids: Mapping[str, Any], stack: contextlib.ExitStack) -> None:
    """Open the files of the redirections, as the process's user; raises ExecError without a process."""
    try:
        if command.stdin_from:
            laid.stdin = read_redirected(laid, command.stdin_from)
        laid.files = stack.enter_context(redirected(laid, command.redirects, (ids["uid"], ids["gid"])))
    except LookupError as error:
        raise ExecError(command.args, -1, "", "", str(error.args[0])) from error


def init_program() -> str | None:
    """Return the init program of this machine; None lets the command be process 1."""
    return next((path for path in INIT_PATHS if os.access(path, os.X_OK)), None)


async def environment(engine: "Engine", state: ContainerState, home: str) -> list[str]:
    """Return `NAME=value` of everything the process sees; secrets are read here."""
    env = {"PATH": DEFAULT_PATH, "HOME": home}
    env |= {name: engine.environ[name] for name in PROXY_VARIABLES if name in engine.environ}
    if own_certificates(engine.environ):
        env |= dict.fromkeys(CA_VARIABLES, CA_TARGET)
    env |= state.env()
    env |= dict(entry.split("=", 1) for entry in state.volatile_env)
    for name, secret in state.secret_env:
        env[name] = await engine.secrets.plaintext(secret)
    return [f"{name}={value}" for name, value in env.items()]


def _system_mounts(engine: "Engine", laid: Laid, command: Command) -> list[dict[str, Any]]:
    hosts = laid.scratch / "hosts"
    names = "".join(f"{address}\t{name}\n" for address, name in command.hosts)
    hosts.write_text(f"127.0.0.1\tlocalhost {command.hostname}\n::1\tlocalhost ip6-localhost\n{names}")
    mounts = [bind(str(hosts), "/etc/hosts")]
    if servers := name_servers(apart=bool(command.network)):
        resolver = laid.scratch / "resolv.conf"
        resolver.write_bytes(servers)
        mounts.append(bind(str(resolver), "/etc/resolv.conf"))
    if bundle := own_certificates(engine.environ):
        mounts.append(bind(bundle, CA_TARGET, read_only=True))
    return mounts


def name_servers(*, apart: bool, places: Sequence[str] = RESOLVERS) -> bytes:
    """Return the resolv.conf of a container; empty on a machine without one.

    Who is `apart`, in a network of its own, cannot reach a resolver on the machine's loopback:
    it gets those behind it, which systemd-resolved(8) keeps in a file of its own.
    """
    texts = [path.read_bytes() for path in map(Path, places) if path.is_file()]
    reachable = [text for text in texts if not apart or not LOOPBACK_RESOLVER.search(text)]
    return (reachable or texts or [b""])[0]


def _make_workdir(laid: Laid, cwd: str, ids: Mapping[str, Any]) -> None:
    """Make the missing folders of a working directory: they belong to the process's user.

    Source: `createCWD` of executor_spec.go, v0.21.8. The runtime makes those in a mount in memory.
    """
    parts = posixpath.normpath(cwd).strip("/").split("/")
    for depth in range(1, len(parts) + 1):
        path = "/" + "/".join(parts[:depth])
        if not read_place_of(laid, path).exists():
            place = place_of(laid, path)
            place.mkdir(mode=0o755)
            os.chown(place, ids["uid"], ids["gid"])


def _missing(root: Path, targets: Sequence[str]) -> list[Path]:
    """Return the mount points that do not exist yet, outermost first."""
    stubs: list[Path] = []
    builtin = ["/proc", "/dev", "/sys", "/etc/resolv.conf"]
    for target in [*builtin, *(t for t in targets if not t.startswith(("/dev/", "/proc/", "/sys/")))]:
        path = root
        for part in posixpath.normpath(target).strip("/").split("/"):
            path = resolve(root, "/" + str((path / part).relative_to(root)))
            if not path.exists() and path not in stubs:
                stubs.append(path)
    return stubs


def clear(laid: Laid) -> None:
    """Remove the mount points that the runtime made, unless the process put something there."""
    for stub in reversed(laid.stubs):
        found = stub.lstat() if os.path.lexists(stub) else None
        if found is None:
            continue
        if stat.S_ISDIR(found.st_mode):
            if not any(stub.iterdir()):
                stub.rmdir()
        elif found.st_size == 0:
            stub.unlink()


def not_found(ended: Ended) -> tuple[str, bytes] | None:
    """Return Dagger's sentence for a command that is not there, and what else was written."""
    found = TINI_FAILED.search(ended.stderr.decode(errors="replace")) or RUNC_FAILED.search(ended.failure)
    if found is None:
        return None
    command, why = found.groups()
    missing = any(word in why for word in ("No such file", "not found", "no such file"))
    reason = "executable file not found in $PATH" if missing else why
    kept = TINI_FAILED.sub("", ended.stderr.decode(errors="surrogateescape")) if not ended.failure else ""
    return f'exec: "{command}": {reason}', kept.encode(errors="surrogateescape")


def runtime_failure(engine: "Engine", ended: Ended) -> EngineError:
    """Return the error for a run that did not reach the process, or lost it."""
    text = ended.failure
    if is_full(text):
        return no_space(engine.store.root)
    return EngineError(text if ended.returncode < 0 else f"the container could not be started: {text}")
