"""Run the command that fetches an asset, and accept only the files that the service's author saw.

    build_asset.py --at /assets/NAME --sha256 HEX --out OUT -- COMMAND…

Writes OUT/assets/NAME, readable by everyone, every time fixed. The digest covers paths and contents, not
times, owners or modes. Exit status 1, with the digest found, where it is another one.
"""

import argparse
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from tree_times import fix_times


def main() -> int:
    """Return 0 once the expected files are in place."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--at", type=Path, required=True)
    parser.add_argument("--sha256", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    options.at.mkdir(parents=True)
    key = f"[tool.wheelhouse.assets.{options.at.name}]"
    try:
        ended = subprocess.run(options.command, check=False).returncode
        status = f"exit status {ended}" if ended else ""
    except OSError as error:
        status = f"{options.command[0]}: {error.strerror}"
    files = [path for path in options.at.rglob("*") if path.is_file()]
    if status or not files:
        found = status or f"no file in {options.at}"
        print(f"{key} command: {found}; expected files in {options.at}. Fix the command.", file=sys.stderr)
        return 1
    if (digest := tree_digest(options.at)) != options.sha256:
        found = f'sha256 = "{digest}"'
        expected = f'"{options.sha256}"' if options.sha256 else "that key"
        print(
            f"{key} the {len(files)} files made now have {found}; expected {expected}. "
            "Write it into pyproject.toml once you have looked at them.",
            file=sys.stderr,
        )
        return 1
    target = options.out / str(options.at).lstrip("/")
    shutil.copytree(options.at, target)
    for path in (options.out, *options.out.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    fix_times(options.out)
    return 0


def tree_digest(root: Path) -> str:
    """Return one digest of the paths and contents of a tree."""
    whole = hashlib.sha256()
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            contents = hashlib.file_digest(file, "sha256").hexdigest()
        whole.update(f"{contents}  {path.relative_to(root).as_posix()}\n".encode())
    return whole.hexdigest()


if __name__ == "__main__":
    sys.exit(main())
