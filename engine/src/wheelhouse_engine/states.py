"""Hold what operations evaluate to: immutable values, each with a key.

A key is the digest of how a thing was made. Equal keys mean equal content, so a
key that the store knows costs no process.
"""

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from wheelhouse_engine.graph import digest_of
from wheelhouse_engine.imageconfig import ImageConfig

EMPTY: Final = "empty"
"""Key of the folder without entries."""
CONTENT_DIGITS: Final = 64
"""Length of a key that is the sha256 of a folder's content; keys of what was done are half as long."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Name an immutable file tree: a folder of the store, or a committed image."""

    key: str
    image: str | None = None
    """Image id; None means the folder `trees/<key>`."""
    steps: tuple[str, ...] = ()
    """Keys of the folders that operations made one after the other, this one the last; empty for one."""
    base: str | None = None
    """Image that the first of several steps changed."""

    @property
    def is_by_content(self) -> bool:
        """Say whether the key is a digest of the content, as of folders of this machine."""
        return self.image is None and len(self.key) == CONTENT_DIGITS

    def then(self, key: str) -> "Snapshot":
        """Return the folder that one more operation on all of this one made."""
        if self.image is not None:
            return Snapshot(key, steps=(key,), base=self.image)
        before = self.steps or ((self.key,) if self.key != EMPTY else ())
        return Snapshot(key, steps=(*before, key), base=self.base)


@dataclass(frozen=True, slots=True)
class DirectoryState:
    """Be a directory inside a snapshot."""

    snapshot: Snapshot
    path: str = "/"

    @property
    def key(self) -> str:
        """Return the digest of the snapshot and the place in it."""
        return self.snapshot.key if self.path == "/" else digest_of(self.snapshot.key, self.path)

    def at(self, path: str) -> str:
        """Return the path inside the snapshot; `..` stops at its root, a slash at the end stays."""
        inside = posixpath.normpath(posixpath.join(self.path, path.lstrip("/")))
        return inside + "/" * (path.endswith(("/", "/.")) and inside != "/")


@dataclass(frozen=True, slots=True)
class FileState:
    """Be a file inside a snapshot."""

    snapshot: Snapshot
    path: str

    @property
    def key(self) -> str:
        """Return the digest of the snapshot and the place in it."""
        return digest_of("file", self.snapshot.key, self.path)

    @property
    def name(self) -> str:
        """Return the last part of the path."""
        return posixpath.basename(self.path)


@dataclass(frozen=True, slots=True)
class SecretState:
    """Be a secret: how to read it, never its value."""

    name: str
    uri: str = ""
    cache_key: str = ""

    @property
    def key(self) -> str:
        """Return the digest of the name; the value is no part of it."""
        return digest_of("secret", self.cache_key or self.uri or self.name)


@dataclass(frozen=True, slots=True)
class CacheState:
    """Be a cache volume."""

    name: str
    sharing: str = "SHARED"
    source: DirectoryState | None = None
    owner: str = ""

    @property
    def key(self) -> str:
        """Return the digest of the volume's name: its content is no part of it."""
        return digest_of("cache", self.name)


@dataclass(frozen=True, slots=True)
class SocketState:
    """Be a Unix socket of this machine."""

    path: str

    @property
    def key(self) -> str:
        """Return the digest of the place: who listens there is no part of it."""
        return digest_of("socket", self.path)


@dataclass(frozen=True, slots=True)
class Mount:
    """Be one mount of a container."""

    target: str
    kind: Literal["directory", "file", "cache", "temp", "secret", "socket"]
    source: DirectoryState | FileState | CacheState | SecretState | SocketState | None = None
    read_only: bool = False
    owner: str = ""
    mode: int = 0
    size_bytes: int = 0
    sharing: str = "SHARED"

    @property
    def key(self) -> str:
        """Return the digest of everything an exec can see of this mount."""
        source = self.source.key if self.source else ""
        return digest_of(
            self.target, self.kind, source, self.read_only, self.owner, self.mode, self.size_bytes
        )


@dataclass(frozen=True, slots=True)
class ExecResult:
    """Hold what the last exec wrote and how it ended."""

    stdout: str
    stderr: str
    combined: str
    exit_code: int


@dataclass(frozen=True, slots=True)
class ContainerState:
    """Be a container: a file system, its configuration, and what surrounds an exec."""

    rootfs: Snapshot | None = None
    """None is the empty file system."""
    config: ImageConfig = field(default_factory=ImageConfig)
    mounts: tuple[Mount, ...] = ()
    secret_env: tuple[tuple[str, SecretState], ...] = ()
    volatile_env: tuple[str, ...] = ()
    """`NAME=value`; seen by execs, no part of their key."""
    bindings: tuple[tuple[str, "ServiceState"], ...] = ()
    last: ExecResult | None = None
    """Of the last exec, whatever was changed since."""
    own_default_args: bool = False
    """Default arguments were set by the caller, not by the image."""
    gpus: bool = False
    terminal: tuple[str, ...] = ()
    """What a terminal runs unless it is told."""
    image_ref: str = ""

    @property
    def key(self) -> str:
        """Return the digest of everything an exec in this container can see."""
        return digest_of(
            self.rootfs.key if self.rootfs else "scratch",
            self.config.env,
            [entry.split("=", 1)[0] for entry in self.volatile_env],
            self.config.user,
            self.config.workdir,
            self.config.entrypoint,
            self.config.cmd,
            [mount.key for mount in self.mounts],
            [[name, secret.key] for name, secret in self.secret_env],
            [[alias, service.key] for alias, service in self.bindings],
            self.gpus,
        )

    def env(self) -> dict[str, str]:
        """Return the persistent environment as a mapping."""
        return dict(entry.split("=", 1) for entry in self.config.env)

    def configured(self, **changes: Any) -> "ContainerState":
        """Return this container with parts of its image configuration changed."""
        return replace(self, config=replace(self.config, **changes), image_ref="")

    def resolve(self, path: str) -> str:
        """Return an absolute path: a relative one starts at the workdir."""
        return posixpath.normpath(posixpath.join("/", self.config.workdir or "/", path))

    def mount_at(self, path: str) -> tuple[Mount, str] | None:
        """Return the mount that holds an absolute path, and the path inside it: the last made counts.

        Secrets and sockets are no place to look at.
        """
        mounts = [m for m in reversed(self.mounts) if m.kind not in ("secret", "socket")]
        holding = (m for m in mounts if path == m.target or path.startswith(m.target.rstrip("/") + "/"))
        mount = next(holding, None)
        if mount is None:
            return None
        return mount, posixpath.join("/", path[len(mount.target) :].lstrip("/"))

    def with_mount(self, mount: Mount) -> "ContainerState":
        """Return this container with a mount added; one at the same target is replaced."""
        others = tuple(m for m in self.mounts if m.target != mount.target)
        return replace(self, mounts=(*others, mount), image_ref="")

    def without_mount(self, target: str) -> "ContainerState":
        """Return this container without the mounts and secrets at a target."""
        return replace(self, mounts=tuple(m for m in self.mounts if m.target != target), image_ref="")


@dataclass(frozen=True, slots=True)
class ServiceState:
    """Be a service: a container to be started, or ports of the host."""

    container: ContainerState | None
    args: tuple[str, ...] = ()
    all_capabilities: bool = False
    no_init: bool = False
    host: str = ""
    """Host name that the host's ports are reached at; empty for a container."""
    ports: tuple[tuple[int, int], ...] = ()
    """Frontend and backend port of each forwarded port of the host."""
    hostname: str = ""

    @property
    def key(self) -> str:
        """Return the digest that makes two equal services one."""
        inner = self.container.key if self.container else [self.host, self.ports]
        ports = [str(port) for port in self.container.config.exposed_ports] if self.container else []
        return digest_of(
            "service", inner, self.args, ports, self.all_capabilities, self.no_init, self.hostname
        )


@dataclass(frozen=True, slots=True)
class ChangesetState:
    """Be the difference between two directories."""

    before: DirectoryState
    after: DirectoryState


@dataclass(frozen=True, slots=True)
class EnvFileState:
    """Be the lines of an env file: names and values as written."""

    entries: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class GitState:
    """Be a repository, or one commit of it when `commit` is set."""

    repository: DirectoryState | None
    """A local repository that is a directory of the graph; None means `folder` or `url`."""
    url: str = ""
    folder: str = ""
    """A local repository where it lies on this machine, read as it is now; "" means `url`."""
    ref: str = ""
    commit: str = ""
    keep_git_dir: bool = True
    auth: tuple[str, SecretState] | None = None
    """User name and token for HTTP."""
    auth_header: SecretState | None = None
    """Value of HTTP's Authorization header."""
    ssh_socket: str = ""
    """Path of the agent's socket; "" is the caller's own."""
    ssh_hosts: str = ""
    """Lines of known_hosts that count; "" for the caller's own file."""
    service: ServiceState | None = None
    """Who answers under the URL's host and port."""


Value = Mapping[str, Any]
"""A flat object such as a Port: its leaf fields by name."""
