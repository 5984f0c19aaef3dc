"""One group of packages: its environment, before and after pruning."""

import json
import os
import platform
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

from pipeline.build.image import VENV
from tests.corpus.roots import USER, Bases, Root, require

PACKAGES = Path(__file__).parent / "packages"
PYTHON = "3.13"
GLIBC = range(41, 4, -1)
"""Minor versions of glibc whose wheels the base image runs. Source: Debian 13 has 2.41."""
OLDER = ("manylinux2014", "manylinux2010", "manylinux1")
CALL_SECONDS = 300
WITHOUT_BYTECODE = """
import sys; sys.path.insert(0, "/programs")
import install_wheels; install_wheels.compile_tree = lambda root: True; install_wheels.main()
"""
"""Installs as for an image and leaves bytecode to the second run, which prunes."""
Outcomes = dict[str, str]
"""Package or module -> "" or how it failed."""


def listed() -> dict[str, dict[str, str]]:
    """Return group -> package -> its smallest call."""
    return {path.stem: tomllib.loads(path.read_text()) for path in sorted(PACKAGES.glob("*.toml"))}


@dataclass(frozen=True)
class Group:
    """Packages that share an environment below a folder."""

    name: str
    calls: dict[str, str]
    bases: Bases
    folder: Path

    @property
    def venv(self) -> Path:
        """Return where the environment is on this machine."""
        return self.folder / "venv"

    @property
    def whole(self) -> Path:
        """Return where the environment is as it was before pruning."""
        return self.folder / "whole"

    @property
    def unpruned(self) -> Root:
        """Return the base image with the environment as it was before pruning."""
        return self.bases.unpruned(self.whole)

    def download(self) -> None:
        """Download the newest wheels of the packages and of what they need."""
        wheels = self.folder / "wheels"
        if wheels.is_dir():
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        wanted, pins = self.folder / "packages.in", self.folder / "pins.txt"
        wanted.write_text("".join(f"{name}\n" for name in self.calls))
        uv = [str(Path(sys.executable).with_name("uv")), "pip", "compile", "--quiet", "--no-annotate"]
        options = ["--python-version", PYTHON, "--no-emit-index-url", "--only-binary", ":all:"]
        require(_here(*uv, *options, str(wanted), "-o", str(pins)))
        machine = platform.machine()
        tags = [
            *(f"manylinux_2_{minor}_{machine}" for minor in GLIBC),
            *(f"{tag}_{machine}" for tag in OLDER),
        ]
        pip = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-cache-dir",
            "--no-deps",
            "--only-binary=:all:",
        ]
        platforms = [word for tag in tags for word in ("--platform", tag)]
        partial = self.folder / "wheels.partial"
        require(_here(*pip, "--python-version", PYTHON, *platforms, "-d", str(partial), "-r", str(pins)))
        partial.rename(wheels)

    def check(self) -> str:
        """Return which wheels are refused, "" for none."""
        root = self.bases.builder({}, {"/wheels": self.folder / "wheels"})
        return root.run("python3", "/programs/check_wheels.py", "/wheels").stderr

    def install(self) -> None:
        """Install the wheels, unpruned."""
        shutil.rmtree(self.venv, ignore_errors=True)
        self.venv.mkdir()
        self._install("/wheels")
        shutil.rmtree(self.whole, ignore_errors=True)
        shutil.copytree(self.venv, self.whole, symlinks=True, copy_function=_link)

    def prune(self) -> str:
        """Prune the environment as an image's; return what the program says."""
        out = self.folder / "out"
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        return self._install("/below", "--prune", "/out/pruned.json", empty=True)

    def assemble(self) -> Root:
        """Return the runtime root of the pruned environment."""
        root = self.bases.builder(
            {"/out": self.folder / "out"},
            {VENV: self.venv, "/below": self.bases.folder / "bottom/rootfs"},
        )
        assemble = ["python3", "/programs/assemble_rootfs.py", "--out", "/out", "--site", VENV]
        require(root.run(*assemble, "--below", "/below"))
        return self.bases.runtime(self.venv, self.folder / "out/rootfs")

    def imports(self, root: Root, only: tuple[str, ...] = ()) -> Outcomes:
        """Import every module, or only some, as the service's user; return module -> why it failed."""
        site = next((self.venv / "lib").glob("python*/site-packages"))
        words = [word for name in only for word in ("--only", name)]
        inside = f"{VENV}/{site.relative_to(self.venv)}"
        program = ["python", "/programs/import_modules.py", "--site", inside]
        found: Outcomes = json.loads(require(root.run(*program, *words, user=USER, seconds=3600)))
        return found

    def called(self, root: Root, only: list[str] | None = None) -> Outcomes:
        """Make each package's call, or only some; return package -> why it failed."""
        names = list(self.calls) if only is None else only
        return {name: self._call(root, self.calls[name]) for name in names}

    def _call(self, root: Root, code: str) -> str:
        try:
            done = root.run("python", "-c", code, user=USER, seconds=CALL_SECONDS)
        except subprocess.TimeoutExpired:
            return f"still running after {CALL_SECONDS} s"
        return "" if done.returncode == 0 else f"exit {done.returncode}: {done.stderr.strip()[-300:]}"

    def _install(self, wheels: str, *more: str, empty: bool = False) -> str:
        source = self.bases.folder / "points/below" if empty else self.folder / "wheels"
        mounts = {VENV: self.venv} | ({"/out": self.folder / "out"} if empty else {})
        root = self.bases.builder(mounts, {wheels: source})
        start = ["python3", "/programs/install_wheels.py"] if empty else ["python3", "-c", WITHOUT_BYTECODE]
        return require(root.run(*start, "--wheels", wheels, "--venv", VENV, *more))


def _link(source: str, target: str) -> None:
    """Link a file instead of copying it, unless pruning writes into it."""
    if source.endswith("/RECORD"):
        shutil.copy2(source, target)
    else:
        os.link(source, target, follow_symlinks=False)


def _here(*command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, check=False, capture_output=True, text=True)
