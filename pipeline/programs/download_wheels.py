"""Download the wheel of every pin; write the pins that have none to sources.txt.

    download_wheels.py --requirements FILE --out DIR [--compile NAME]…

FILE holds one `name==version [; marker] --hash=…` per line. pip checks the hashes. A pin without a
usable wheel is not an error here: it is compiled later, in a container that has compilers.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

QUIET = ("--quiet", "--disable-pip-version-check")

NO_WHEEL = re.compile(r"No matching distribution found for ([A-Za-z0-9._-]+)")


def main() -> int:
    """Return pip's exit status; 0 also when some pins are left for compiling."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requirements", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--compile", action="append", default=[], help="name that no wheel is taken of")
    options = parser.parse_args()
    wheels = options.out / "wheels"
    wheels.mkdir(parents=True, exist_ok=True)
    pins = options.requirements.read_text().splitlines()
    sources = [pin for pin in pins if _name(pin) in options.compile]
    pins = [pin for pin in pins if pin not in sources]
    while pins:
        result = _download(pins, options.out / "requirements.txt", wheels)
        if result.returncode == 0:
            break
        without = NO_WHEEL.search(result.stderr)
        compiled = [pin for pin in pins if without and _name(pin) == _normal(without[1])]
        if not compiled:
            sys.stderr.write(result.stderr)
            return result.returncode
        sources += compiled
        pins = [pin for pin in pins if pin not in compiled]
    (options.out / "sources.txt").write_text("".join(f"{pin}\n" for pin in sorted(sources)))
    return 0


def _download(pins: list[str], requirements: Path, wheels: Path) -> subprocess.CompletedProcess[str]:
    requirements.write_text("".join(f"{pin}\n" for pin in pins))
    command = [sys.executable, "-m", "pip", *QUIET, "download", "--no-deps", "--only-binary=:all:"]
    command += ["--require-hashes", "--requirement", str(requirements), "--dest", str(wheels)]
    return subprocess.run(command, check=False, text=True, stderr=subprocess.PIPE)


def _name(pin: str) -> str:
    return pin.partition("==")[0]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    sys.exit(main())
