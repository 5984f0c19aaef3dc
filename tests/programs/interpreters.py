"""Make interpreters that have the hash-pinned packages of a program."""

import shutil
import subprocess
import sys
from pathlib import Path

PROGRAMS = Path(__file__).parents[2] / "pipeline" / "programs"


def interpreter(home: Path, requirements: Path) -> Path:
    """Return a new environment's python with the packages of one requirement file, by hash."""
    uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
    python = home / "venv" / "bin" / "python"
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(home / "venv")], check=True)
    install = [uv, "pip", "install", "--quiet", "--python", str(python), "--require-hashes"]
    subprocess.run([*install, "-r", str(requirements)], check=True)
    return python


def run_program(python: str | Path, *words: object, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run `python -m WORDS…` as a container does: the programs' folder is on its path."""
    command = [str(python), "-m", *map(str, words)]
    variables = {"PYTHONPATH": str(PROGRAMS), "PATH": "/usr/bin:/bin", **environment}
    return subprocess.run(command, check=False, capture_output=True, text=True, env=variables)
