"""Compile the pins that have no wheel for this Python, anew: pip's cache of earlier builds is not asked.

A build that only works because an older one left its wheel behind would fail on the next machine.

compile_wheels.py FILE DIR       build a wheel of every pin of FILE, hashes checked, into DIR

DIR/built.txt lists them: the lock has the hashes of their sources, none of their own.
"""

import subprocess
import sys
from pathlib import Path

QUIET = ("--quiet", "--disable-pip-version-check")


def main() -> int:
    """Return pip's exit status; the pin that fails is named in pip's own output."""
    sources, out = sys.argv[1:]
    Path(out).mkdir(parents=True, exist_ok=True)
    command = [
        sys.executable,
        "-m",
        "pip",
        *QUIET,
        "wheel",
        "--no-cache-dir",
        "--no-deps",
        "--require-hashes",
    ]
    status = subprocess.run([*command, "--requirement", sources, "--wheel-dir", out], check=False).returncode
    built = sorted(path.name for path in Path(out).glob("*.whl"))
    Path(out, "built.txt").write_text("".join(f"{name}\n" for name in built))
    return status


if __name__ == "__main__":
    sys.exit(main())
