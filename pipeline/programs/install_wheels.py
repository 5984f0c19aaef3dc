"""Install a folder of wheels into a fresh virtual environment, offline, the same bytes every time.

    install_wheels.py --wheels DIR --venv /opt/venv [--prune FILE [--keep RULE]… [--script NAME]…]
    install_wheels.py --wheels DIR --venv /opt/venv --target DIR

With --prune what no running service opens is dropped and reported to FILE. With --target the wheels
go into that folder instead, for programs that run beside an image.
Bytecode is compiled `unchecked-hash`: it stays valid when file times are rewritten (PEP 552), and
start-up does not look at the sources.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from packaging.utils import parse_wheel_filename
from prune import prune, prune_scripts, write_report

CHUNKS = 4
"""Processes that compile bytecode.

Fixed, because the marshalled bytes depend on what the same process compiled before.
"""


def main() -> int:
    """Return uv's exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wheels", type=Path, required=True)
    parser.add_argument("--venv", type=Path, required=True)
    parser.add_argument("--target", type=Path)
    parser.add_argument("--prune", type=Path)
    parser.add_argument("--keep", action="append", default=[])
    parser.add_argument("--script", action="append", default=[])
    options = parser.parse_args()
    python = options.venv / "bin" / "python"
    if not python.exists():
        create_environment(options.venv)
    place = ["--target", str(options.target)] if options.target else []
    names = [f"{name}=={version}" for name, version in _distributions(options.wheels)]
    if names:
        command = ["uv", "pip", "install", "--quiet", "--no-cache", "--python", str(python), *place]
        offline = ["--no-index", "--no-deps", "--find-links", str(options.wheels)]
        subprocess.run([*command, *offline, *names], check=True)
    if options.prune:
        site = next((options.venv / "lib").glob("python*/site-packages"))
        write_report(prune(site, frozenset(options.keep)), options.prune)
        prune_scripts(options.venv / "bin", set(options.script))
    (options.venv / ".lock").unlink(missing_ok=True)  # uv's own, which everyone may write
    # Not fatal: wheels ship templates and files for other Python versions that do not compile.
    compile_bytecode(options.target or options.venv / "lib", str(python))
    return 0


def create_environment(venv: Path) -> None:
    """Create a virtual environment without pip and without scripts for shells that the image lacks."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    for script in [*(venv / "bin").glob("activate*"), *(venv / "bin").glob("Activate*")]:
        script.unlink()
    (venv / ".gitignore").unlink(missing_ok=True)


def compile_bytecode(
    root: Path, python: str, *, shown_as: str = "", quiet: str = "-qq", legacy: bool = False
) -> bool:
    """Compile every module below a folder, in fixed chunks and order; return whether all did.

    Args:
        root: the folder.
        python: the interpreter that will run the modules.
        shown_as: the folder that tracebacks show, where it is not root.
        quiet: `-qq`, or `-q` to print the files that do not compile.
        legacy: write `m.pyc` beside `m.py`, where it is found without its source (PEP 3147).

    """
    sources = sorted(str(path) for path in root.rglob("*.py"))
    command = [python, "-m", "compileall", quiet, "-f", "--invalidation-mode", "unchecked-hash", "-i", "-"]
    command += ["-s", str(root), "-p", shown_as or str(root), *(["-b"] if legacy else [])]
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    running = []
    for chunk in range(CHUNKS):
        process = subprocess.Popen(command, stdin=subprocess.PIPE, env=environment, text=True)
        if process.stdin:
            process.stdin.write("\n".join(sources[chunk::CHUNKS]))
            process.stdin.close()  # compileall reads all names before it starts
        running.append(process)
    return all([process.wait() == 0 for process in running])  # noqa: C419 - wait for every one


def _distributions(wheels: Path) -> list[tuple[str, str]]:
    parsed = (parse_wheel_filename(path.name) for path in sorted(wheels.glob("*.whl")))
    return [(str(name), str(version)) for name, version, _, _ in parsed]


if __name__ == "__main__":
    sys.exit(main())
