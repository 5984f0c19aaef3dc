"""Run this very program in a container, on this machine's Python, with nothing else of the machine.

There is no image: the container's root is an empty folder with the system's programs and libraries, this
Python and this package, all read-only. The process is nobody, without capabilities.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from wheelhouse_engine.attaching import bind
from wheelhouse_engine.certificates import own_certificates
from wheelhouse_engine.confinement import learn, write_private
from wheelhouse_engine.containers import Ended
from wheelhouse_engine.execs import init_program
from wheelhouse_engine.runner import Sink

if TYPE_CHECKING:
    from wheelhouse_engine.engine import Engine

NOBODY: Final = 65534
SYSTEM: Final = ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/lib32")
SETTINGS: Final = (
    *("/etc/hosts", "/etc/resolv.conf", "/etc/nsswitch.conf", "/etc/localtime", "/etc/ld.so.cache"),
    *("/etc/ssl/certs", "/etc/ssl/openssl.cnf", "/etc/pki/tls/certs", "/etc/pki/ca-trust/extracted"),
    "/etc/alternatives",
)
"""What name resolution, certificates and the loader read; no account, key or password is among it."""
INIT: Final = "/dev/.init"


@dataclass(frozen=True, slots=True)
class Sandboxed:
    """One process in a sandbox."""

    args: Sequence[str]
    environ: Mapping[str, str]
    workdir: Path
    """Exists in the container, empty, so that relative paths mean what they mean outside."""
    readable: Sequence[Path] = ()
    kept: Mapping[str, Path] = field(default_factory=dict)
    """Folders of this machine that it may write to, by their path in the container."""
    places: Sequence[Path] = ()
    """Empty folders that it may write to, next to its working folder."""
    name: str = "module"
    """Tells sandboxes of one session apart."""


async def run(engine: "Engine", process: Sandboxed, folder: Path, sink: Sink) -> Ended:
    """Run a process to its end; `folder` is an empty one, whose `root` is the container's root."""
    root, bundle = folder / "root", folder / f"{engine.session}-{process.name}"
    bundle.mkdir(mode=0o700)
    mounts = [*_system(root, engine.environ.get("SSL_CERT_FILE", "")), *_python()]
    mounts += [bind(str(one), str(one), read_only=True) for one in process.readable]
    for at, one in process.kept.items():
        one.mkdir(exist_ok=True)
        os.chown(one, NOBODY, NOBODY)
        mounts.append(bind(str(one), at))
    document = await learn(engine.buildah, engine.store)
    args = list(process.args)
    if init := init_program():
        mounts.append(bind(init, INIT, read_only=True))
        args = [INIT, "--", *args]
    for place in (Path("/tmp"), process.workdir, *process.places):  # noqa: S108 - of the container
        _make_place(root, place)
    document["root"] = {"path": str(root)}
    document["hostname"] = "module"
    document["mounts"] += mounts
    document["process"] |= {
        "args": args,
        "env": [f"{name}={value}" for name, value in process.environ.items()],
        "cwd": str(process.workdir),
        "user": {"uid": NOBODY, "gid": NOBODY},
        "terminal": False,
        "noNewPrivileges": True,
        "capabilities": {},
    }
    write_private(bundle / "config.json", document)
    return await engine.containers.run(bundle, stdin=b"", sink=sink)


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what a process in a sandbox is given of the caller's variables."""
    kept = {name: environ[name] for name in ("LANG", "TZ", "NO_COLOR") if name in environ}
    kept |= {name: value for name, value in environ.items() if name.lower().endswith("_proxy")}
    if bundle := own_certificates(environ):
        kept["SSL_CERT_FILE"] = bundle
    return kept | {"HOME": "/tmp", "PATH": "/usr/local/bin:/usr/bin:/bin", "TMPDIR": "/tmp"}  # noqa: S108


def _system(root: Path, certificates: str) -> list[dict[str, Any]]:
    """Lay out the system's folders: links stay links."""
    root.mkdir(mode=0o755)
    mounts = []
    for name in SYSTEM:
        path = Path(name)
        if path.is_symlink():
            (root / name.lstrip("/")).symlink_to(path.readlink())
        elif path.is_dir():
            mounts.append(bind(name, name, read_only=True))
    names = [name for name in (*SETTINGS, certificates) if name and Path(name).exists()]
    return mounts + [bind(name, name, read_only=True) for name in names]


def _python() -> list[dict[str, Any]]:
    """Return the mounts of this interpreter, its packages and this program."""
    package = Path(__file__).parents[1]
    folders = {Path(sys.prefix), Path(sys.base_prefix), package}
    kept = [one for one in folders if not one.is_relative_to("/usr")]
    outer = [one for one in kept if not any(one != other and one.is_relative_to(other) for other in kept)]
    return [bind(str(one), str(one), read_only=True) for one in sorted(outer)]


def _make_place(root: Path, workdir: Path) -> None:
    """Make the working folder, and files in it, the process's own."""
    place = root / str(workdir).lstrip("/")
    place.mkdir(parents=True, exist_ok=True)
    os.chown(place, NOBODY, NOBODY)
