"""Make a root filesystem from Debian packages, the same bytes each time.

mmdebstrap chooses mirrors and keys; nothing of this machine (names, trust
store, caches, clock) gets into the result.
"""

import asyncio
import hashlib
import os
import platform
import re
import shlex
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from wheelhouse_engine.diskspace import is_full, no_space
from wheelhouse_engine.imageconfig import MACHINES, ImageConfig, ImageError
from wheelhouse_engine.mounting import discard
from wheelhouse_engine.privileges import is_machine_root
from wheelhouse_engine.runner import CommandError, Runner, Sink, Stream, checked
from wheelhouse_engine.staging import STAGING_PREFIX
from wheelhouse_engine.standins import StandIn

CREATED: Final = "2025-01-01T00:00:00Z"
EPOCH_S: Final = "1735689600"
"""CREATED for SOURCE_DATE_EPOCH: newer files get this time, one package set gives one result."""
LABEL: Final = "io.wheelhouse.base"
DEBIAN_PATH: Final = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PYTHON_PATH: Final = "PATH=/usr/local/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Both as the official images have them."""
ARCHIVES: Final = "/var/cache/apt/archives"
UNWANTED: Final = ("doc", "groff", "info", "linda", "lintian", "locale", "man")
"""Folders of /usr/share that slim images leave out (copyright files stay)."""
APT_CLEAN: Final = f'DPkg::Post-Invoke {{ "rm -f {ARCHIVES}/*.deb {ARCHIVES}/partial/*.deb || true"; }};'
APT_SMALL: Final = 'Acquire::Languages "none"; Acquire::GzipIndexes "true";'

Progress = Callable[[str], None]
"""Called with one line of progress at a time."""


@dataclass(frozen=True, slots=True)
class RootTar:
    """Hold a finished root filesystem; its maker removes the file."""

    path: Path
    config: ImageConfig
    python_version: str = ""
    """`3.13.5`, or empty."""


async def make_root(runner: Runner, stand_in: StandIn, cache: Path, progress: Progress) -> RootTar:
    """Install the packages into a tar under `cache`; ImageError says why not.

    Takes about half a minute. Downloaded packages stay in the cache, so the
    next image of the same suite is quicker. The caller removes the tar.
    """
    if os.geteuid() == 0 and not is_machine_root():
        raise ImageError(
            f"the stand-in {stand_in.name} cannot be made without root: packages need device files. "
            "Make it as root with the same store, or set WHEELHOUSE_REGISTRY_MIRROR to one that answers"
        )
    packages = cache / "packages" / stand_in.suite
    packages.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=cache, prefix=STAGING_PREFIX, suffix=".tar", delete=False) as file:
        target = Path(file.name)
    folder = Path(tempfile.mkdtemp(dir=cache, prefix=STAGING_PREFIX))
    try:
        command = mmdebstrap_command(stand_in, target, packages)
        await _bootstrap(runner, stand_in, command, folder, progress)
        return await asyncio.to_thread(_described, stand_in, target)
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    finally:
        discard(folder)


async def _bootstrap(
    runner: Runner, stand_in: StandIn, command: list[str], folder: Path, progress: Progress
) -> None:
    """Run mmdebstrap with its files below a folder of the engine: ended in haste, it removes neither."""
    folder.chmod(0o755)
    try:
        await checked(runner, command, env={**_environment(), "TMPDIR": str(folder)}, sink=_lines(progress))
    except FileNotFoundError as error:
        raise ImageError(
            "mmdebstrap is not installed, so no base image can be made. "
            "Run `apt-get install mmdebstrap`, or set WHEELHOUSE_REGISTRY_MIRROR to a registry that answers"
        ) from error
    except CommandError as error:
        if is_full(error.completed.error_text):
            raise no_space(folder.parents[1]) from error
        tail = "; ".join(line for line in error.completed.error_text.splitlines() if line.startswith("E:"))
        raise ImageError(f"the stand-in {stand_in.name} cannot be made: {tail or error}") from error


def mmdebstrap_command(stand_in: StandIn, target: Path, packages: Path) -> list[str]:
    """Return the command that makes one root filesystem."""
    return [
        *("mmdebstrap", "--variant=minbase", "--format=tar", "--skip=output/mknod"),
        f"--mode={'root' if os.geteuid() == 0 else 'unshare'}",
        *("--skip=download/empty", "--skip=essential/unlink"),
        f"--setup-hook={_begin_script(stand_in)}",
        *([f"--extract-hook={_slim_script()}"] if stand_in.slim else []),
        f"--setup-hook=sync-in {shlex.quote(str(packages))} {ARCHIVES}",
        f"--customize-hook=sync-out {ARCHIVES} {shlex.quote(str(packages))}",
        f"--customize-hook={finish_script(stand_in)}",
        f"--include={','.join(stand_in.packages)}",
        *(stand_in.suite, str(target)),
    ]


def _begin_script(stand_in: StandIn) -> str:
    """Return the shell lines that say how dpkg installs, in the files that the official image has.

    Not as --dpkgopt: mmdebstrap would then send each package through a filter process of its own,
    which took 9 of 33 s.
    """
    lines = [f'set -eu; cd "$1"; mkdir -p .{ARCHIVES} etc/dpkg/dpkg.cfg.d']
    lines += ["echo force-unsafe-io > etc/dpkg/dpkg.cfg.d/docker-apt-speedup"]
    if stand_in.slim:
        excluded = [f"path-exclude /usr/share/{folder}/*" for folder in UNWANTED]
        rules = " ".join(shlex.quote(rule) for rule in (*excluded, "path-include /usr/share/doc/*/copyright"))
        lines += [f"printf '%s\\n' {rules} > etc/dpkg/dpkg.cfg.d/docker"]
    return "\n".join(lines)


def _slim_script() -> str:
    """Return the shell lines that thin packages that mmdebstrap unpacks without dpkg and its rules."""
    unwanted = " ".join(f"usr/share/{folder}" for folder in UNWANTED if folder != "doc")
    return "; ".join(
        (
            'set -eu; cd "$1"',
            f"for folder in {unwanted}; do test ! -d $folder || find $folder -mindepth 1 -delete; done",
            "find usr/share/doc -mindepth 1 -type f ! -name copyright -delete",
        )
    )


def finish_script(stand_in: StandIn) -> str:
    """Return the shell lines that turn a Debian into what the official image is."""
    lines = [
        'set -eu; cd "$1"',
        "rm -rf etc/resolv.conf etc/hostname var/cache/debconf/*-old var/cache/ldconfig/aux-cache",
        # sync-in gave the folder the owner and mode of the cache outside
        f"chown 0:0 .{ARCHIVES}; chmod 755 .{ARCHIVES}",
        "rm -rf var/log/apt var/log/*.log var/lib/dbus/machine-id",
        "test ! -e etc/machine-id || : > etc/machine-id",
        f"printf '%s\\n' {shlex.quote(APT_CLEAN)} > etc/apt/apt.conf.d/docker-clean",
        f"printf '%s\\n' {shlex.quote(APT_SMALL)} > etc/apt/apt.conf.d/docker-small",
        "printf '#!/bin/sh\\nexit 101\\n' > usr/sbin/policy-rc.d; chmod 755 usr/sbin/policy-rc.d",
    ]
    if stand_in.python:
        names = ("python", "python3", f"python{stand_in.python}")
        lines.append("rm -f usr/lib/python3*/EXTERNALLY-MANAGED")
        lines += [f"ln -s ../../bin/python3 usr/local/bin/{name}" for name in names]
        lines += [f"ln -s ../../bin/pip3 usr/local/bin/{name}" for name in ("pip", "pip3")]
    return "\n".join(lines)


def _environment() -> Mapping[str, str]:
    return {**os.environ, "SOURCE_DATE_EPOCH": EPOCH_S, "LC_ALL": "C.UTF-8"}


def _lines(progress: Progress) -> Sink:
    """Return a sink that gives mmdebstrap's own lines to `progress`, hooks left out."""
    rest = bytearray()

    def sink(_stream: Stream, piece: bytes) -> None:
        rest.extend(piece)
        *lines, last = bytes(rest).split(b"\n")
        rest[:] = last
        for line in lines:
            level, _, text = line.decode(errors="replace").partition(": ")
            if level in ("I", "W", "E") and "hook" not in text:
                progress(text)

    return sink


def _described(stand_in: StandIn, target: Path) -> RootTar:
    """Write the configuration from what is installed in the tar."""
    versions = installed(target)
    listing = "".join(f"{name}={version}\n" for name, version in sorted(versions.items()))
    labels = {
        LABEL: "stand-in",
        f"{LABEL}.packages": f"sha256:{hashlib.sha256(listing.encode()).hexdigest()}",
        f"{LABEL}.suite": stand_in.suite,
    }
    machine = platform.machine()
    architecture = MACHINES.get(machine, machine)
    if not stand_in.python:
        config = ImageConfig(env=(DEBIAN_PATH,), cmd=("bash",), labels=labels, architecture=architecture)
        return RootTar(target, config)
    full = _upstream(versions[f"python{stand_in.python}"])
    env = (PYTHON_PATH, "LANG=C.UTF-8", f"PYTHON_VERSION={full}")
    config = ImageConfig(env=env, cmd=("python3",), labels=labels, architecture=architecture)
    return RootTar(target, config, full)


def installed(root: Path) -> dict[str, str]:
    """Return package -> version from the dpkg status in a root tar."""
    with tarfile.open(root) as tar:
        status = tar.extractfile("./var/lib/dpkg/status")
        text = status.read().decode() if status else ""
    found: dict[str, str] = {}
    for paragraph in text.split("\n\n"):
        fields = dict(re.findall(r"^(Package|Version): (.*)$", paragraph, re.MULTILINE))
        if fields:
            found[fields["Package"]] = fields["Version"]
    return found


def _upstream(version: str) -> str:
    """Return `3.13.5` from a Debian version such as `1:3.13.5-2+deb13u1`."""
    return re.split(r"[-+~]", version.rpartition(":")[2])[0]
