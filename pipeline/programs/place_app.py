"""Place the service's files for an image: readable by everyone, writable by root, compiled.

    place_app.py --source DIR --out DIR --at /srv/app

Modes of the checkout (umask, execute bits of an editor) do not reach the image: 0755 for folders and
for files that someone may execute, 0644 for the rest. Links are followed only inside the source.
"""

import argparse
import shutil
import sys
from pathlib import Path

from install_wheels import compile_bytecode


def main() -> int:
    """Return 0, or 1 when a link leaves the source or a module does not compile."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--at", required=True, help="where OUT will be in the image")
    options = parser.parse_args()
    source = options.source.resolve()
    leaving = [
        path for path in source.rglob("*") if path.is_symlink() and not path.resolve().is_relative_to(source)
    ]
    if leaving:
        listed = ", ".join(str(path.relative_to(source)) for path in leaving)
        print(
            f"links that leave the source: {listed}; expected links inside it. Remove them.", file=sys.stderr
        )
        return 1
    shutil.copytree(source, options.out, dirs_exist_ok=True)
    for path in [options.out, *options.out.rglob("*")]:
        executable = path.is_dir() or path.stat().st_mode & 0o111
        path.chmod(0o755 if executable else 0o644)
    compiled = compile_bytecode(options.out, sys.executable, shown_as=options.at, quiet="-q")
    return 0 if compiled else 1


if __name__ == "__main__":
    sys.exit(main())
