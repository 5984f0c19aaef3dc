"""Run a process in a container: mounts laid over, outputs kept, nothing of it left in the image."""

import asyncio
import contextlib
import json
import os
import posixpath
import re
import shutil
import stat
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pipeline.engine import overlays
from pipeline.engine.buildah import Working
from pipeline.engine.copying import Copying, copy_tree
from pipeline.engine.errors import EngineError, ExecError, StoreError
from pipeline.engine.owners import parse_owner, parse_user
from pipeline.engine.paths import resolve
from pipeline.engine.states import (
    CacheState,
    ContainerState,
    DirectoryState,
    FileState,
    Mount,
    SecretState,
)

if TYPE_CHECKING:
    from pipeline.engine.engine import Engine

INIT_PATHS: Final = ("/usr/bin/tini-static", "/usr/bin/tini", "/usr/libexec/podman/catatonit")
"""Small static init programs; the first that exists becomes process 1."""
INIT_TARGET: Final = "/dev/.init"
"""Below /dev, which is a tmpfs: no mount point is left in the image."""
CA_TARGET: Final = "/dev/.ca-certificates.crt"
CA_BUNDLE: Final = "/etc/ssl/certs/ca-certificates.crt"
CA_VARIABLES: Final = (
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "PIP_CERT",
    "CURL_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
)
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
BUILDAH_MOUNTS: Final = ("/etc/hosts", "/etc/hostname", "/run/.containerenv", "/sys/fs/cgroup")
"""What buildah mounts by itself and Dagger does not, or lays out otherwise."""
TINI_FAILED: Final = re.compile(rb"\[FATAL tini \(\d+\)\] exec (.*) failed: (.*)\n?")


@dataclass(slots=True)
class Laid:
    """Hold one container made ready to run: where its mounts came from."""

    working: Working
    spec: Path
    scratch: Path
    stubs: list[Path] = field(default_factory=list)
    """Mount points that the runtime will create and that must not stay."""
    over: dict[str, overlays.Overlay] = field(default_factory=dict)
    """Copy-on-write mounts, by target."""
    copies: dict[str, Path] = field(default_factory=dict)
    """Private copies of mounted files, by target."""
    caches: Mapping[str, str] = field(default_factory=dict)
    """Names of the cache mounts' folders, by target."""


@dataclass(frozen=True, slots=True)
class Command:
    """Say what to run and how, apart from the container it runs in."""

    args: Sequence[str]
    all_capabilities: bool = False
    init: bool = True
    hosts: Sequence[tuple[str, str]] = ()
    """Address and name of each service in reach."""
    hostname: str = "dagger"
    caches: Mapping[str, str] = field(default_factory=dict)
    """Target of each cache mount -> name of the folder it gets."""


@contextlib.asynccontextmanager
async def caches(engine: "Engine", state: ContainerState) -> AsyncIterator[Mapping[str, str]]:
    """Give each cache mount its folder, for as long as an exec needs it.

    SHARED: everyone's. LOCKED: the same, one exec at a time. PRIVATE: the same
    if no exec has it, else the next one that is free. Locks are taken in one
    order, so that two execs never wait for each other.
    """
    mounts = [(m.target, m.source, m.sharing) for m in state.mounts if isinstance(m.source, CacheState)]
    names = {target: cache.key for target, cache, _ in mounts}
    async with contextlib.AsyncExitStack() as stack:
        for key in sorted({cache.key for _, cache, sharing in mounts if sharing == "LOCKED"}):
            await stack.enter_async_context(engine.store.lock(f"use-{key}"))
        for target, cache, sharing in mounts:
            if sharing == "PRIVATE":
                names[target] = stack.enter_context(engine.store.first_free(f"use-{cache.key}"))[4:]
        yield names


async def lay(
    engine: "Engine", state: ContainerState, command: Command, working: Working, scratch: Path
) -> Laid:
    """Prepare mounts, users, environment; write the runtime's specification."""
    laid = Laid(working, scratch_spec(engine, scratch), scratch)
    laid.caches = command.caches
    mounts = [await _mount(engine, mount, laid) for mount in state.mounts]
    user = _user(state, command, working.path)
    cwd = state.config.workdir or "/"
    if state.mount_at(cwd) is None:
        await asyncio.to_thread(_make_workdir, working.path, cwd)
    env = await environment(engine, state, user["home"])
    mounts += _system_mounts(engine, laid, command)
    args = list(command.args)
    if command.init and (init := init_program()):
        mounts.append(_bind(init, INIT_TARGET, read_only=True))
        args = [INIT_TARGET, "--", *args]
    laid.stubs = _missing(working.path, [m["destination"] for m in mounts])
    process = {"args": args, "env": env, "cwd": cwd, "user": user["ids"], "terminal": False}
    document = {
        "process": process,
        "mounts": mounts,
        "without_mounts": BUILDAH_MOUNTS,
        "hostname": command.hostname,
        "all_capabilities": command.all_capabilities,
    }
    laid.spec.write_text(json.dumps(document))
    laid.spec.chmod(stat.S_IRUSR | stat.S_IWUSR)
    return laid


def scratch_spec(engine: "Engine", scratch: Path) -> Path:
    """Return where the specification goes: in memory, since it holds secrets."""
    return engine.buildah.tmpfs / f"spec-{scratch.name}.json"


def init_program() -> str | None:
    """Return the init program of this machine; None lets the command be process 1."""
    return next((path for path in INIT_PATHS if os.access(path, os.X_OK)), None)


async def _mount(engine: "Engine", mount: Mount, laid: Laid) -> dict[str, Any]:
    """Return the runtime's entry of one mount."""
    match mount.source:
        case DirectoryState() as directory:
            source = await engine.path_of(directory)
            if mount.read_only:
                return _bind(str(source), mount.target, read_only=True)
            overlay = overlays.Overlay.make(source, laid.scratch / f"mount-{len(laid.over)}")
            if mount.owner:
                await asyncio.to_thread(overlay.own, parse_owner(mount.owner, laid.working.path))
            laid.over[mount.target] = overlay
            return overlay.entry(mount.target)
        case FileState() as file:
            copy = laid.scratch / f"file-{len(laid.copies)}"
            await asyncio.to_thread(_copy_file, await engine.path_of(file), copy, mount, laid.working.path)
            laid.copies[mount.target] = copy
            return _bind(str(copy), mount.target)
        case CacheState() as cache:
            return _bind(str(await _cache_folder(engine, mount, cache, laid)), mount.target)
        case SecretState() as secret:
            held = laid.spec.with_name(
                f"{laid.spec.stem}-secret-{len(list(laid.spec.parent.glob('*secret*')))}"
            )
            value = await engine.secrets.plaintext(secret)
            _write_secret(held, value, mount, laid.working.path)
            return _bind(str(held), mount.target, read_only=True)
        case _:
            size = [f"size={mount.size_bytes}"] if mount.size_bytes else []
            options = ["nosuid", "nodev", "mode=1777", *size]
            return {"destination": mount.target, "type": "tmpfs", "source": "tmpfs", "options": options}


def _bind(source: str, target: str, *, read_only: bool = False) -> dict[str, Any]:
    options = ["rbind", "rprivate", "ro" if read_only else "rw"]
    return {"destination": target, "type": "bind", "source": source, "options": options}


def _copy_file(source: Path, copy: Path, mount: Mount, root: Path) -> None:
    shutil.copy2(source, copy)
    found = source.stat()
    os.chown(copy, *(parse_owner(mount.owner, root) if mount.owner else (found.st_uid, found.st_gid)))


def _write_secret(path: Path, value: str, mount: Mount, root: Path) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(value.encode(errors="surrogateescape"))
    if mount.owner:
        os.chown(path, *parse_owner(mount.owner, root))
    path.chmod(mount.mode)


async def _cache_folder(engine: "Engine", mount: Mount, cache: CacheState, laid: Laid) -> Path:
    """Return the folder of a cache volume, seeded and owned when it is new."""
    name = laid.caches.get(mount.target, cache.key)
    folder = engine.store.cache(name)
    engine.store.used(name)
    if not folder.exists():
        async with engine.store.lock(f"cache-{name}"):
            if not folder.exists():
                source = await engine.path_of(cache.source) if cache.source else None
                made = laid.scratch / f"cache-{name}"
                await asyncio.to_thread(_make_cache, made, source)
                made.rename(folder)
    owner = mount.owner or cache.owner
    if owner:
        os.chown(folder, *parse_owner(owner, laid.working.path))
    return folder


def _make_cache(made: Path, source: Path | None) -> None:
    made.mkdir(mode=0o755)
    if source:
        copy_tree(source, made, "/", Copying(link=False))


def _user(state: ContainerState, command: Command, root: Path) -> dict[str, Any]:
    """Return the numeric user, its groups and its home; raises ExecError for an unknown name."""
    text = state.config.user or "0"
    try:
        uid, gid = parse_user(text, root)
    except LookupError as error:
        raise ExecError(command.args, -1, "", "", f"get user: {error.args[0]}") from error
    groups = _extra_groups(root, uid) if ":" not in text else []
    return {"ids": {"uid": uid, "gid": gid, "additionalGids": groups}, "home": _home(root, uid)}


def _passwd(root: Path) -> list[list[str]]:
    try:
        lines = resolve(root, "/etc/passwd").read_text(errors="replace").splitlines()
    except OSError:
        return []
    return [line.split(":") for line in lines if line.count(":") >= 6]  # noqa: PLR2004 - passwd(5) has 7 fields


def _home(root: Path, uid: int) -> str:
    return next((row[5] for row in _passwd(root) if row[2] == str(uid)), "/")


def _extra_groups(root: Path, uid: int) -> list[int]:
    name = next((row[0] for row in _passwd(root) if row[2] == str(uid)), None)
    try:
        lines = resolve(root, "/etc/group").read_text(errors="replace").splitlines()
    except OSError:
        return []
    rows = [line.split(":") for line in lines if line.count(":") == 3]  # noqa: PLR2004 - group(5) has 4 fields
    return [int(row[2]) for row in rows if name and name in row[3].split(",")]


async def environment(engine: "Engine", state: ContainerState, home: str) -> list[str]:
    """Return `NAME=value` of everything the process sees; secrets are read here."""
    env = {"PATH": DEFAULT_PATH, "HOME": home}
    env |= {name: engine.environ[name] for name in PROXY_VARIABLES if name in engine.environ}
    if host_has_own_ca(engine):
        env |= dict.fromkeys(CA_VARIABLES, CA_TARGET)
    env |= state.env()
    env |= dict(entry.split("=", 1) for entry in state.volatile_env)
    for name, secret in state.secret_env:
        env[name] = await engine.secrets.plaintext(secret)
    return [f"{name}={value}" for name, value in env.items()]


def host_has_own_ca(engine: "Engine") -> bool:
    """Say whether this machine trusts certificates that images do not have."""
    local = Path("/usr/local/share/ca-certificates")
    return "SSL_CERT_FILE" in engine.environ or (local.is_dir() and any(local.iterdir()))


def _system_mounts(engine: "Engine", laid: Laid, command: Command) -> list[dict[str, Any]]:
    hosts = laid.scratch / "hosts"
    names = "".join(f"{address}\t{name}\n" for address, name in command.hosts)
    hosts.write_text(f"127.0.0.1\tlocalhost {command.hostname}\n::1\tlocalhost ip6-localhost\n{names}")
    mounts = [_bind(str(hosts), "/etc/hosts")]
    bundle = engine.environ.get("SSL_CERT_FILE", CA_BUNDLE)
    if host_has_own_ca(engine) and Path(bundle).is_file():
        mounts.append(_bind(bundle, CA_TARGET, read_only=True))
    return mounts


def _make_workdir(root: Path, cwd: str) -> None:
    path = root
    for part in posixpath.normpath(cwd).strip("/").split("/"):
        path = resolve(root, "/" + str((path / part).relative_to(root)))
        if not path.exists():
            path.mkdir(mode=0o755)


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


def forget(laid: Laid) -> None:
    """Remove the specification and the secrets beside it."""
    for path in laid.spec.parent.glob(f"{laid.spec.stem}*"):
        path.unlink(missing_ok=True)


def not_found(stderr: bytes) -> tuple[str, bytes] | None:
    """Return Dagger's sentence for a command that is not there, and what else was written."""
    found = TINI_FAILED.search(stderr)
    if found is None:
        return None
    command = found.group(1).decode(errors="replace")
    reason = (
        "executable file not found in $PATH" if b"No such file" in found.group(2) else found.group(2).decode()
    )
    return f'exec: "{command}": {reason}', TINI_FAILED.sub(b"", stderr)


def runtime_failure(stderr: bytes) -> EngineError:
    """Return the error for a run that did not reach the process."""
    text = stderr.decode(errors="replace").strip()
    if "No space left on device" in text:
        return StoreError("no space left while starting a container. Free some space and run again.")
    return EngineError(
        f"the container could not be started: {text.splitlines()[-1] if text else 'no message'}"
    )
