"""Root filesystems of the corpus: the builder's, and the runtime's; commands run in them by chroot."""

import os
import shlex
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.build.image import ENVIRONMENT, VENV
from pipeline.containers import PATH, PROGRAMS, TOOLS

PLACES = ("opt/venv", "opt/tools", "programs", "wheels", "out", "below", "tmp", "proc", "dev")
"""Folders that are mounted on; every root needs them."""
DEVICES = ("null", "zero", "full", "random", "urandom")
USER = "1001:1001"
EXPORT = Path(__file__).with_name("export_base.py")


@dataclass(frozen=True)
class Root:
    """A root filesystem of one or more layers; it is read-only."""

    layers: tuple[Path, ...]
    """Uppermost first."""
    environment: dict[str, str]
    mounts: dict[str, Path] = field(default_factory=dict)
    """Folder of the root -> folder of this machine, writable."""
    frozen: dict[str, Path] = field(default_factory=dict)
    """The same, read-only."""

    def run(
        self, *command: str, user: str = "0:0", seconds: float = 1800
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command in namespaces of its own, without network, with a /tmp of its own."""
        words = ["chroot", f"--userspec={user}", "--groups=", "/mnt", *command]
        script = "\n".join([*self._mounted(), f"exec {shlex.join(words)}"])
        unshare = [
            "unshare",
            "--mount",
            "--pid",
            "--net",
            "--ipc",
            "--fork",
            "--kill-child",
            "sh",
            "-ec",
            script,
        ]
        return subprocess.run(
            unshare,
            check=False,
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            env=self.environment,
            timeout=seconds,
        )

    def _mounted(self) -> list[str]:
        """Return shell lines that mount the root at /mnt, which only this process sees."""
        lower = ":".join(str(layer) for layer in self.layers)
        lines = ["/sbin/ip link set lo up", f"mount -t overlay overlay -o lowerdir={lower} /mnt"]
        lines += [f"mount --bind {shlex.quote(str(host))} /mnt{place}" for place, host in self.mounts.items()]
        for place, host in self.frozen.items():
            lines += [
                f"mount --bind {shlex.quote(str(host))} /mnt{place}",
                f"mount -o remount,bind,ro /mnt{place}",
            ]
        lines += ["mount -t tmpfs -o mode=1777 tmpfs /mnt/tmp", "mount -t proc proc /mnt/proc"]
        lines += [
            "mount -t tmpfs tmpfs /mnt/dev",
            "mkdir -m 1777 /mnt/dev/shm",
            "mount -t tmpfs tmpfs /mnt/dev/shm",
        ]
        for name in DEVICES:
            lines += [f"touch /mnt/dev/{name}", f"mount --bind /dev/{name} /mnt/dev/{name}"]
        lines += ["ln -s /proc/self/fd /mnt/dev/fd"]
        return lines


@dataclass(frozen=True)
class Bases:
    """What every group starts from, made once below a folder."""

    folder: Path

    def make(self) -> None:
        """Export the builder's base and tools with the engine; assemble the lower layer of runtimes."""
        points = self.folder / "points"
        for place in PLACES:
            (points / place).mkdir(parents=True, exist_ok=True)
        if not (self.folder / "bottom/rootfs").is_dir():
            wheelhouse = str(Path(sys.executable).with_name("wheelhouse"))
            command = [wheelhouse, "--engine=embedded", "run", sys.executable, str(EXPORT), str(self.folder)]
            subprocess.run(command, check=True)
            (self.folder / "bottom").mkdir(exist_ok=True)
            root = self.builder({"/out": self.folder / "bottom"})
            assemble = ["python3", "/programs/assemble_rootfs.py", "--out", "/out", "--package", "tini"]
            require(root.run(*assemble))

    def builder(self, mounts: dict[str, Path], frozen: dict[str, Path] | None = None) -> Root:
        """Return the builder's root, as pipeline.containers.Builder.with_tools has it."""
        programs = {"/programs": PROGRAMS, TOOLS: self.folder / "tools"}
        environment = {"PATH": f"{TOOLS}/bin:{PATH}", "PYTHONPATH": TOOLS, "PYTHONHASHSEED": "0"}
        layers = (self.folder / "points", self.folder / "base")
        return Root(layers, environment, mounts, {**programs, **(frozen or {})})

    def unpruned(self, venv: Path) -> Root:
        """Return the base image with an environment, run as an image is."""
        layers = (self.folder / "points", self.folder / "base")
        return Root(layers, dict(ENVIRONMENT), frozen={VENV: venv, "/programs": PROGRAMS})

    def runtime(self, venv: Path, libraries: Path) -> Root:
        """Return the runtime root of a pruned environment."""
        layers = (self.folder / "points", libraries, self.folder / "bottom/rootfs")
        return Root(layers, dict(ENVIRONMENT), frozen={VENV: venv, "/programs": PROGRAMS})


def require(done: "subprocess.CompletedProcess[str]") -> str:
    """Return a finished command's output.

    Raises:
        RuntimeError: it failed; the message is the end of its stderr.

    """
    if done.returncode:
        raise RuntimeError(f"{done.args[-1][-200:]}: exit {done.returncode}: {done.stderr[-3000:]}")
    return done.stdout


def require_root() -> None:
    """Stop where mounts cannot be made.

    Raises:
        SystemExit: this user is not root.

    """
    if os.geteuid():
        raise SystemExit("the corpus mounts root filesystems. Run it as root.")
