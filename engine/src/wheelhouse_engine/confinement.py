"""Learn from buildah how it confines a process, once: capabilities, limits, mounts, system calls.

`buildah run` starts nine processes of its own around each command. What they
work out, the bundle that runc is given, is the same for every command of a
machine but for the command itself. So buildah is asked for one, and that is kept.
"""

import json
import os
import resource
import shutil
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from wheelhouse_engine.buildah import Buildah
from wheelhouse_engine.graph import digest_of
from wheelhouse_engine.store import Store

SETTINGS: Final = (
    "/etc/containers/containers.conf",
    "/usr/share/containers/containers.conf",
    "/etc/containers/seccomp.json",
    "/usr/share/containers/seccomp.json",
)
"""Files that buildah's answer depends on. Source: containers.conf(5)."""
LAID_OTHERWISE: Final = (
    "/etc/hosts",
    "/etc/hostname",
    "/etc/resolv.conf",
    "/run/.containerenv",
    "/sys/fs/cgroup",
)
"""What buildah mounts by itself; the engine lays it out as Dagger does, or not at all."""

CAPABILITIES: Final = (
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
)
"""Names by number, without `CAP_`. Source: capabilities(7)."""

Document = dict[str, Any]
"""A runtime's config.json. Source: the OCI runtime specification."""


async def learn(buildah: Buildah, store: Store) -> Document:
    """Return what holds for every command on this machine; buildah is asked once for it.

    Raises StoreError where buildah cannot make a container ready.
    """
    key = digest_of("confinement", _circumstances(buildah.environ))
    async with store.lock(key):
        known: Document | None = (store.read(key) or {}).get("bundle")
        if known is None:
            with store.scratch(buildah.session) as folder:
                known = dict(json.loads(await buildah.bundle(folder)))
            known["mounts"] = [m for m in known["mounts"] if m["destination"] not in LAID_OTHERWISE]
            store.write(key, {"bundle": known})
    return known


def _circumstances(environ: Mapping[str, str]) -> list[object]:
    """Return what buildah's answer depends on: itself, its settings, what this process may do."""
    builder = shutil.which("buildah", path=environ.get("PATH"))
    files = [Path(name) for name in (builder, *SETTINGS) if name]
    stamps = [[path.stat().st_mtime_ns, path.stat().st_size] if path.exists() else [] for path in files]
    users = Path("/proc/self/uid_map").read_text().split()
    limits = [resource.getrlimit(which) for which in (resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC)]
    return [stamps, _held_capabilities(), users, limits, sorted(environ.items())]


def join_network(document: Document, space: str) -> None:
    """Give a bundle the network namespace at a path, in place of the machine's."""
    kept = [one for one in document["linux"]["namespaces"] if one["type"] != "network"]
    document["linux"]["namespaces"] = [*kept, {"type": "network", "path": space}]


def grant_all(document: Document) -> None:
    """Give the process every capability that this machine has itself, device and system call."""
    held = int(_held_capabilities(), 16)
    names = [f"CAP_{name}" for number, name in enumerate(CAPABILITIES) if held >> number & 1]
    document["process"]["capabilities"] = dict.fromkeys(
        ("bounding", "effective", "permitted", "inheritable", "ambient"), names
    )
    document["linux"].pop("seccomp", None)
    document["linux"]["maskedPaths"] = []
    document["linux"]["readonlyPaths"] = []
    document["linux"]["resources"] = {"devices": [{"allow": True, "access": "rwm"}]}


def _held_capabilities() -> str:
    """Return the capabilities that processes of this machine can have, as a hexadecimal mask."""
    status = Path("/proc/self/status").read_text().splitlines()
    return next(line.split()[1] for line in status if line.startswith("CapBnd"))


def write_private(path: Path, document: Document) -> None:
    """Write a bundle that only its owner can read: it holds secrets."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, stat.S_IRUSR | stat.S_IWUSR)
    with os.fdopen(descriptor, "w") as file:
        json.dump(document, file)
