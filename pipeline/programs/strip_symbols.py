"""Strip symbols that the loader does not read; each library is loaded afterwards, or stays as it is.

    strip_symbols.py

As a program: read lines `ORIGINAL<tab>STRIPPED` and print the originals whose stripped file loads.
Libraries that auditwheel bundled were patched; stripping such a file may move what the loader maps.
"""

import ctypes
import os
import subprocess
import sys
from pathlib import Path

MOST = "--strip-unneeded"


def strip_libraries(paths: list[Path], python: str, gain: float) -> dict[Path, int]:
    """Strip each library that gets smaller by a part `gain` and still loads.

    Args:
        paths: ELF files.
        python: interpreter that will load them.
        gain: least part of a file that must go; else its bytes stay as the wheel has them.

    Returns:
        The changed files, with the bytes that each of them saved.

    """
    stripped = {path: new for path in paths if (new := _stripped(path, gain))}
    pairs = "".join(f"{path}\t{new}\n" for path, new in stripped.items())
    command = [python, "-S", __file__]
    done = subprocess.run(command, input=pairs, check=True, capture_output=True, text=True)
    loads = {Path(line) for line in done.stdout.splitlines()}
    saved = {}
    for path, new in stripped.items():
        if path in loads:
            saved[path] = path.stat().st_size - new.stat().st_size
            new.chmod(path.stat().st_mode & 0o7777)
            new.replace(path)
        else:
            new.unlink()
    return saved


def _stripped(path: Path, gain: float) -> Path | None:
    """Return a stripped copy next to the file, where it is worth having."""
    new = path.with_name(f"{path.name}.stripped")
    done = subprocess.run(["strip", MOST, "-o", str(new), str(path)], check=False, capture_output=True)
    if done.returncode == 0 and path.stat().st_size - new.stat().st_size >= gain * path.stat().st_size:
        return new
    new.unlink(missing_ok=True)
    return None


def main() -> int:
    """Print each original whose stripped file loads in a process of its own."""
    for line in sys.stdin.read().splitlines():
        original, _, stripped = line.partition("\t")
        if _loads(stripped):
            print(original, flush=True)
    return 0


def _loads(path: str) -> bool:
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        silent = os.open(os.devnull, os.O_RDWR)
        os.dup2(silent, 1)
        os.dup2(silent, 2)
        try:
            ctypes.CDLL(path)
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


if __name__ == "__main__":
    sys.exit(main())
