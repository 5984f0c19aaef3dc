"""Place the service's files for an image: readable by everyone, writable by root, compiled, in shares.

    python3 -X no_debug_ranges place_app.py --source DIR --out DIR --at /srv/app

Without columns bytecode is a fifth smaller; tracebacks show lines, not the part of a line that failed.
Modes of the checkout (umask, execute bits of an editor) do not reach the image: 0755 for folders and
for files that someone may execute, 0644 for the rest. Links are followed only inside the source.

OUT gets folders 00, 01, …: shares of the tree, one layer each and about as large as each other, so that
an edited module brings its share alone to the registry. Each file keeps its share while no file comes or
goes and none grows or shrinks past a power of two.
"""

import argparse
import os
import py_compile
import shutil
import sys
import tempfile
from pathlib import Path

MOST_SHARES = 14
"""Most layers of an application.

Source: the reference service, 25 modules, 87 KB compressed: of fourteen shares the largest has 7.1 KB, of
eleven 9.0, of sixteen 7.0; each costs an edit 0.1 KB of configuration.
"""
LEAST_WEIGHT = 2048
"""Bytes that a file counts at least: bytecode has a size of its own, and small files stay where they are."""
LEAST_SHARE = 2 * LEAST_WEIGHT
"""Least weight of a share on the average: a service of two small modules is one layer."""


def main() -> int:
    """Return 0, or 1 when a link leaves the source or a module does not compile."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--at", required=True, help="where the shares together will be in the image")
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
    with tempfile.TemporaryDirectory() as temporary:
        tree = Path(temporary, "tree")
        shutil.copytree(source, tree)
        compiled = [compile_alone(path, tree, options.at) for path in sorted(tree.rglob("*.py"))]
        for number, files in enumerate(shares(tree)):
            place(tree, files, options.out / f"{number:02}")
    return 0 if all(compiled) else 1


def compile_alone(path: Path, tree: Path, shown_as: str) -> bool:
    """Compile one module in a process of its own; return whether it did.

    The bytes that marshal writes depend on what the same process compiled before: only alone does
    the bytecode of a module that nobody edited stay the same.
    """
    child = os.fork()
    if child == 0:
        shown = f"{shown_as}/{path.relative_to(tree)}"
        mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
        compiled = py_compile.compile(str(path), dfile=shown, invalidation_mode=mode)
        os._exit(0 if compiled else 1)
    return os.waitpid(child, 0)[1] == 0


def shares(tree: Path) -> list[list[Path]]:
    """Deal the files of a tree, large ones first, each to the lightest share.

    Bytecode goes where its source goes. Files weigh the power of two above their size: an edited line
    does not make others change places.
    """
    files = [path for path in tree.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    number = min(MOST_SHARES, len(files), sum(map(weight, files)) // LEAST_SHARE) or 1
    dealt: list[list[Path]] = [[] for _ in range(number)]
    loads = [0] * number
    for file in sorted(files, key=lambda path: (-weight(path), path)):
        lightest = loads.index(min(loads))
        dealt[lightest].extend(with_bytecode(file))
        loads[lightest] += weight(file)
    return dealt


def weight(file: Path) -> int:
    """Return the power of two above a file's size in bytes."""
    return max(LEAST_WEIGHT, 1 << file.stat().st_size.bit_length())


def with_bytecode(file: Path) -> list[Path]:
    """Return a file, and after it the bytecode that was made of it."""
    return [file, *file.parent.glob(f"__pycache__/{file.stem}.*.pyc")] if file.suffix == ".py" else [file]


def place(tree: Path, files: list[Path], out: Path) -> None:
    """Copy files of a tree to the same places below OUT, with modes that do not depend on the checkout."""
    out.mkdir(parents=True)
    for file in files:
        target = out / file.relative_to(tree)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
        target.chmod(0o755 if file.stat().st_mode & 0o111 else 0o644)
    for folder in [out, *(path for path in out.rglob("*") if path.is_dir())]:
        folder.chmod(0o755)


if __name__ == "__main__":
    sys.exit(main())
