"""Place the service's files for an image: readable by everyone, writable by root, compiled.

    place_app.py --source DIR --out DIR --at /srv/app [--writable PATH]…

Writes one layer: OUT/srv/app, every time fixed. Modes of the checkout (umask, execute bits of an editor)
do not reach the image: 0755 for folders and for files that someone may execute, 0644 for the rest.
Links stay links; one that leaves the source or leads nowhere is refused. Each PATH becomes a link to below
/tmp, where the image's sitecustomize.py (writable_places.py) copies it.
"""

import argparse
import shutil
import sys
from pathlib import Path

import writable_places
from bytecode import compile_tree
from tree_times import fix_times

TEMPORARY = "/tmp"  # noqa: S108 - the path inside the image


def main() -> int:
    """Return 0, or 1 when a link leaves the source or a module does not compile."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--at", required=True, help="where the files will be in the image")
    parser.add_argument("--writable", action="append", default=[], help="path that the service changes")
    options = parser.parse_args()
    source = options.source.resolve()
    if broken := unusable_links(source):
        found = ", ".join(f"{path.relative_to(source)} -> {path.readlink()}" for path in broken)
        print(
            f"links that leave the source, or lead nowhere: {found}; expected links to files of the source. "
            "Remove them, or name them in .dockerignore.",
            file=sys.stderr,
        )
        return 1
    target = options.out / options.at.lstrip("/")
    shutil.copytree(source, target, symlinks=True)
    if options.writable and (wrong := make_writable(target, options.writable, options.at)):
        print(wrong, file=sys.stderr)
        return 1
    if not compile_tree(target, shown_as=options.at, quiet=False):
        return 1
    set_modes(options.out)
    fix_times(options.out)
    return 0


def make_writable(app: Path, places: list[str], at: str) -> str:
    """Put a link to below /tmp in each place, and what was there next to the application.

    Args:
        app: the application's files.
        places: paths below it.
        at: where the application will be in the image.

    Returns:
        What is wrong; "" where nothing is.

    """
    if absent := [place for place in places if not (app / place).exists()]:
        return f"writable names {absent}, which the image does not have below {at}; expected paths of it."
    program = app / "sitecustomize.py"
    if program.exists():
        return f"packages has {program.name}, which `writable` brings itself; expected one of the two."
    for place in places:
        seed = app / writable_places.SEEDS / place
        seed.parent.mkdir(parents=True, exist_ok=True)
        (app / place).rename(seed)
        (app / place).symlink_to(f"{TEMPORARY}{at}/{place}")
    shutil.copy(writable_places.__file__, program)
    return ""


def unusable_links(source: Path) -> list[Path]:
    """Return the links of a tree that lead out of it, nowhere, or in a circle."""
    return [
        path for path in sorted(source.rglob("*")) if path.is_symlink() and not leads_inside(path, source)
    ]


def leads_inside(link: Path, source: Path) -> bool:
    """Return whether a link ends at something inside a folder."""
    try:
        return link.resolve(strict=True).is_relative_to(source)
    except (OSError, RuntimeError):  # RuntimeError: a circle, before Python 3.13
        return False


def set_modes(out: Path) -> None:
    """Give every file and folder a mode that does not depend on the checkout."""
    out.chmod(0o755)
    for path in out.rglob("*"):
        if path.is_symlink():
            continue
        path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o111 else 0o644)


if __name__ == "__main__":
    sys.exit(main())
