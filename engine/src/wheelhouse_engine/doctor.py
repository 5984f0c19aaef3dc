"""Check what a machine has for the embedded engine: found, expected, fix."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final, TextIO

from wheelhouse_engine.errors import StoreError
from wheelhouse_engine.housekeeping import FREE_VARIABLE, KEEP_VARIABLE, Limits, last_measured
from wheelhouse_engine.sizes import spell_size
from wheelhouse_engine.store import FORMAT, Store

MIN_PYTHON: Final = (3, 11)
MIN_BUILDAH: Final = (1, 28)
"""The release of Debian 12, with which the engine is tested; older ones are untried."""
MIN_FREE_GB: Final = 5.0
"""A choice, not a measurement: room for a base, a wheel directory and a few images."""
VERSION_TIMEOUT_S: Final = 10


@dataclass(frozen=True, slots=True)
class Finding:
    """Say what one prerequisite looks like here."""

    name: str
    ok: bool
    found: str
    expected: str
    fix: str
    required: bool = True


@dataclass(frozen=True, slots=True)
class Machine:
    """Hold what the checks look at, so that tests can describe another machine."""

    environ: Mapping[str, str]
    root: Path = Path("/")
    uid: int = 0
    which: Callable[[str], str | None] = shutil.which
    run_version: Callable[[str], str] | None = None
    store: Path = Path("/var/tmp")  # noqa: S108 - only where free space is measured


def main(out: TextIO) -> int:
    """Print every finding; return 1 when something required is missing."""
    findings = examine(this_machine())
    out.write(render(findings))
    return int(any(f.required and not f.ok for f in findings))


def this_machine() -> Machine:
    """Describe the machine that runs this."""
    base = (
        os.environ.get("WHEELHOUSE_STORE") or os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    )
    return Machine(environ=dict(os.environ), uid=os.geteuid(), store=Path(base))


def examine(machine: Machine) -> list[Finding]:
    """Check everything; nothing is changed."""
    return [
        _python(),
        _client(),
        _buildah(machine),
        _program(machine, "runc", "starts the containers", "runc"),
        _privileges(machine),
        _overlay(machine),
        _disk(machine),
        _store(machine),
        _program(machine, "skopeo", "moves images to and from registries", "skopeo"),
        _program(machine, "ip", "gives services an address", "iproute2"),
        _program(machine, "git", "reads repositories and applies patches", "git"),
        _program(machine, "mmdebstrap", "makes base images without a registry", "mmdebstrap", required=False),
    ]


def render(findings: list[Finding]) -> str:
    """Write one line per finding, and the fix below what is missing."""
    width = max(len(f.name) for f in findings)
    lines = []
    for finding in findings:
        mark = "ok  " if finding.ok else "FAIL" if finding.required else "note"
        lines.append(f"{mark}  {finding.name.ljust(width)}  {finding.found}")
        if not finding.ok:
            lines += [f"      expected: {finding.expected}", f"      fix: {finding.fix}"]
    missing = [f.name for f in findings if f.required and not f.ok]
    lines += ["", f"missing: {', '.join(missing)}" if missing else "the embedded engine can run here"]
    return "\n".join(lines) + "\n"


def _python() -> Finding:
    found = ".".join(map(str, sys.version_info[:3]))
    wanted = ".".join(map(str, MIN_PYTHON))
    return Finding(
        "python", sys.version_info >= MIN_PYTHON, found, f">= {wanted}", f"install Python {wanted}"
    )


def _client() -> Finding:
    try:
        found = version("dagger-io")
    except PackageNotFoundError:
        found = "not installed"
    numbers = numbers_in(found)
    ok = numbers[:2] == (0, 21) and numbers != (0, 21, 0)
    return Finding("dagger-io", ok, found, "0.21.x, not 0.21.0", "pip install 'dagger-io>=0.21.1,<0.22'")


def _buildah(machine: Machine) -> Finding:
    fix = "apt-get install buildah (or your distribution's package)"
    wanted = ">= " + ".".join(map(str, MIN_BUILDAH))
    if machine.which("buildah") is None:
        return Finding("buildah", ok=False, found="not found", expected=wanted, fix=fix)
    found = (machine.run_version or _version_of)("buildah")
    return Finding("buildah", numbers_in(found)[:2] >= MIN_BUILDAH, found, wanted, fix)


def _program(machine: Machine, name: str, does: str, package: str, *, required: bool = True) -> Finding:
    path = machine.which(name)
    fix = f"apt-get install {package} (or your distribution's package)"
    return Finding(name, path is not None, path or "not found", f"a program that {does}", fix, required)


def _privileges(machine: Machine) -> Finding:
    """Find root, or what a rootless build needs: subordinate ids and the setuid mappers."""
    expected = "root, or user namespaces with subordinate ids"
    if machine.uid == 0:
        return Finding("privileges", ok=True, found="root", expected=expected, fix="")
    user = machine.environ.get("USER", str(machine.uid))
    lacks = []
    if _number(machine.root / "proc/sys/user/max_user_namespaces") == 0:
        lacks.append(("user namespaces are off", "sysctl user.max_user_namespaces=28633"))
    if _number(machine.root / "proc/sys/kernel/unprivileged_userns_clone") == 0:
        lacks.append(("they need root", "sysctl kernel.unprivileged_userns_clone=1"))
    lacks += [
        (f"no {path} for {user}", f"usermod --add-{flag} 100000-165535 {user}")
        for path, flag in (("etc/subuid", "subuids"), ("etc/subgid", "subgids"))
        if not _has_entry(machine.root / path, user, machine.uid)
    ]
    lacks += [
        (f"no {tool}", "apt-get install uidmap")
        for tool in ("newuidmap", "newgidmap")
        if machine.which(tool) is None
    ]
    found = "; ".join(what for what, _ in lacks) or f"user {user}, rootless"
    fix = "; ".join(dict.fromkeys(fix for _, fix in lacks))
    return Finding("privileges", not lacks, found, expected, fix)


def _overlay(machine: Machine) -> Finding:
    filesystems = _text(machine.root / "proc/filesystems")
    kernel = re.search(r"\boverlay$", filesystems, re.MULTILINE) is not None
    fuse = machine.which("fuse-overlayfs")
    found = "in the kernel" if kernel else f"{fuse}" if fuse else "none: every layer is a full copy"
    fix = "modprobe overlay, or apt-get install fuse-overlayfs"
    return Finding("overlay", kernel or fuse is not None, found, "overlay file system", fix, required=False)


def _disk(machine: Machine) -> Finding:
    place = next(p for p in (machine.store, *machine.store.parents) if p.exists())
    free_gb = shutil.disk_usage(place).free / 1e9
    found = f"{free_gb:.1f} GB free at {place}"
    fix = "wheelhouse prune, or set WHEELHOUSE_STORE to a folder on a larger disk"
    return Finding("disk", free_gb >= MIN_FREE_GB, found, f">= {MIN_FREE_GB:g} GB", fix)


def _store(machine: Machine) -> Finding:
    """Tell how large the store may become and what it held when that was last measured."""
    expected = f"limits such as {KEEP_VARIABLE}=50GB {FREE_VARIABLE}=10GB, 0 for none"
    root = next(p for p in (machine.store, *machine.store.parents) if p.exists())
    try:
        limits = Limits.of(machine.environ, root)
    except StoreError as error:
        return Finding("store", ok=False, found=str(error), expected=expected, fix="correct or unset it")
    places = (machine.store / FORMAT, machine.store / "wheelhouse" / FORMAT)
    known = next((note for place in places if (note := last_measured(Store(place)))), None)
    held = f"; held {spell_size(known.held)} when last measured" if known else ""
    kept = f"at most {spell_size(limits.keep_bytes)}" if limits.keep_bytes else "any size"
    found = f"{kept}, leaves {spell_size(limits.min_free_bytes)} of the disk free{held}"
    return Finding("store", ok=True, found=found, expected=expected, fix="")


def numbers_in(text: str) -> tuple[int, ...]:
    """Give the first dotted number in a version's text: "buildah version 1.28.2" -> (1, 28, 2)."""
    found = re.search(r"\d+(?:\.\d+)+", text)
    return tuple(int(part) for part in found.group().split(".")) if found else ()


def _version_of(program: str) -> str:
    try:
        asked = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=VERSION_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"does not answer: {error}"
    return asked.stdout.strip().split("\n")[0]


def _has_entry(path: Path, user: str, uid: int) -> bool:
    return any(line.split(":")[0] in (user, str(uid)) for line in _text(path).splitlines())


def _number(path: Path) -> int | None:
    text = _text(path).strip()
    return int(text) if text.isdecimal() else None


def _text(path: Path) -> str:
    return path.read_text() if path.is_file() else ""
