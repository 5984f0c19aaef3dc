"""Deal an installed environment to the layers of an image: a bumped wheel ships its own layer only.

Each layer is a folder that is rooted at "/", as it will be in the image, with every time fixed.
"""

import csv
import os
import shutil
from collections import defaultdict
from pathlib import Path

from tree_times import fix_times

LARGE_BYTES = 4_000_000
"""Installed size from which a distribution has a layer of its own."""
MOST_LARGE = 8
"""Most layers of single distributions, the largest ones: an image stays below about twelve layers."""
SMALL = "wheels"
"""Layer of all other files of the environment."""
CUDA = "nvidia"
"""First word of the distributions that hold CUDA libraries; small ones share one layer."""


def write_layers(venv: Path, site: Path, out: Path) -> None:
    """Write one folder below `out` per layer, named so that they sort from the bottom up.

    Files are linked, not copied, where the file system can.
    """
    fix_times(venv)
    owners = owners_of(site)
    for number, (name, paths) in enumerate(sorted(_dealt(venv, owners).items(), key=_order)):
        root = out / f"{number:02}-{name}"
        for path in paths:
            _place(path, root / str(path).lstrip("/"))
        if name == SMALL:
            _add_empty_folders(venv, root)
        _copy_folder_modes(venv, root)
        fix_times(root)


def owners_of(site: Path) -> dict[Path, str]:
    """Return each file that a RECORD below a site-packages folder lists, and the distribution's name."""
    owners: dict[Path, str] = {}
    for record in sorted(site.glob("*.dist-info/RECORD")):
        name = record.parent.name.partition("-")[0].lower().replace("_", "-")
        with record.open(newline="") as rows:
            listed = [Path(os.path.normpath(site / row[0])) for row in csv.reader(rows) if row]
        owners |= dict.fromkeys(listed, name)
    return owners


def _dealt(venv: Path, owners: dict[Path, str]) -> dict[str, list[Path]]:
    """Return the files of each layer."""
    files: dict[str, list[Path]] = defaultdict(list)
    for folder, folders, names in os.walk(venv):
        links = [name for name in folders if Path(folder, name).is_symlink()]
        for path in (Path(folder, name) for name in (*names, *links)):
            files[owners.get(_source(path), "")].append(path)
    sizes = {name: sum(path.lstat().st_size for path in paths) for name, paths in files.items() if name}
    large = [name for name, size in sizes.items() if size >= LARGE_BYTES]
    alone = set(sorted(large, key=lambda name: (-sizes[name], name))[:MOST_LARGE])
    layers: dict[str, list[Path]] = defaultdict(list)
    for name, paths in files.items():
        shared = CUDA if name.partition("-")[0] == CUDA else SMALL
        layers[name if name in alone else shared] += paths
    return layers


def _source(path: Path) -> Path:
    """Return the module of a file of bytecode, which no RECORD lists; any other file as it is."""
    if path.suffix == ".pyc" and path.parent.name == "__pycache__":
        return path.parents[1] / f"{path.name.partition('.')[0]}.py"
    return path


def _order(layer: tuple[str, list[Path]]) -> tuple[bool, bool, str]:
    """Sort CUDA's libraries to the bottom, the layer that changes with every bump to the top."""
    name = layer[0]
    return (name.partition("-")[0] != CUDA, name == SMALL, name)


def _place(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(path, target, follow_symlinks=False)
    except OSError:
        shutil.copy2(path, target, follow_symlinks=False)


def _add_empty_folders(venv: Path, root: Path) -> None:
    for folder, folders, names in os.walk(venv):
        if not folders and not names:
            (root / folder.lstrip("/")).mkdir(parents=True, exist_ok=True)


def _copy_folder_modes(venv: Path, root: Path) -> None:
    """Give folders of a layer the modes that they have in the environment, and above it 0755."""
    for folder, _, _ in os.walk(root):
        origin = Path("/", Path(folder).relative_to(root))
        known = origin == venv or origin.is_relative_to(venv)
        Path(folder).chmod(origin.stat().st_mode & 0o7777 if known else 0o755)
