"""Copy what the service changes below /tmp: the image's sitecustomize.py where `writable` is declared.

Each place of `writable` is a link from /srv/app to below /tmp; its contents are in /srv/app/.writable. Python
imports this module when it starts, whatever the command is. A copy that is there already stays.
"""

import os
from pathlib import Path

SEEDS = ".writable"


def copy_places(seeds: Path, app: Path) -> None:
    """Copy each seed to where the link of its name leads."""
    for seed in seeds.iterdir():
        link = app / seed.name
        if not link.is_symlink():
            copy_places(seed, link)
        elif not link.exists():
            copy(seed, link.readlink())


def copy(seed: Path, place: Path) -> None:
    """Copy a folder or a file in one step: processes that start together find all of it or nothing."""
    import shutil  # noqa: PLC0415 - takes longer than all else, and the first process alone needs it

    place.parent.mkdir(parents=True, exist_ok=True)
    partial = place.with_name(f"{place.name}.{os.getpid()}")
    if seed.is_dir():
        shutil.copytree(seed, partial, symlinks=True)
    else:
        shutil.copy(seed, partial)
    try:
        partial.rename(place)
    except OSError:  # another process was first
        shutil.rmtree(partial)


if __name__ == "sitecustomize":
    copy_places(Path(__file__).with_name(SEEDS), Path(__file__).parent)
