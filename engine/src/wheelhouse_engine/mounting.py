"""Mount the layers of containers-storage without a process; who cannot falls back to `buildah mount`."""

import contextlib
import ctypes
import os
import shutil
from pathlib import Path
from typing import Final

from wheelhouse_engine.layerstack import LayerStack
from wheelhouse_engine.staging import remove_tree

READ_ONLY: Final = 1
"""MS_RDONLY. Source: mount(2)."""
DETACH: Final = 2
"""MNT_DETACH. Source: umount(2)."""
OPTIONS_LIMIT_BYTES: Final = 4095
"""One page: what the kernel reads of a mount's options."""

_libc = ctypes.CDLL(None, use_errno=True)


def working_layers(stack: LayerStack, layer: str) -> str:
    """Return the overlay options of a working container's layer; OSError when storage has none."""
    folder = stack.folder(layer)
    below = (folder / "lower").read_text()
    # buildah mounts `volatile` too: nothing is synced, and a mark is left that forbids the next mount
    shutil.rmtree(folder / "work" / "work" / "incompat", ignore_errors=True)
    return f"lowerdir={_absolute(below)},upperdir={folder}/diff,workdir={folder}/work,volatile"


def image_layers(stack: LayerStack, layers: tuple[str, ...]) -> str:
    """Return the overlay options of an image's layers, to be read."""
    links = ":".join(f"l/{(stack.folder(layer) / 'link').read_text()}" for layer in layers)
    return f"lowerdir={_absolute(links)}"


def _absolute(links: str) -> str:
    """Write `l/A:l/B` so that it holds from any directory, short enough for many layers."""
    return ":".join(f"{{home}}/{link}" for link in links.split(":"))


def mount(stack: LayerStack, options: str, target: Path, *, read_only: bool = False) -> None:
    """Mount an overlay at a new folder; OSError where the system does not let us."""
    home = os.open(stack.root / "overlay", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        data = options.replace("{home}", f"/proc/self/fd/{home}").encode()
        if len(data) > OPTIONS_LIMIT_BYTES:
            raise OSError(f"{len(data)} bytes of mount options for {target}")
        target.mkdir(parents=True, exist_ok=True)
        flags = ctypes.c_ulong(READ_ONLY if read_only else 0)
        if _libc.mount(b"overlay", os.fsencode(target), b"overlay", flags, data):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(target))
    finally:
        os.close(home)


def unmount(target: Path) -> None:
    """Unmount and remove the folder; what is still open keeps its files until it is closed."""
    path = os.fsencode(target)
    if _libc.umount2(path, 0):
        _libc.umount2(path, DETACH)
    with contextlib.suppress(OSError):
        target.rmdir()


def release(folder: Path) -> None:
    """Unmount what is mounted at the folders below a folder; they and their files stay."""
    for point in mounts_below(folder):
        _libc.umount2(os.fsencode(point), DETACH)


def discard(folder: Path) -> None:
    """Remove a folder and what is mounted in it: never the files of what is mounted."""
    for point in mounts_below(folder):
        unmount(point)
    remove_tree(folder)


def mounts_below(folder: Path) -> list[Path]:
    """Return the mount points below a folder, the innermost first."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    points = [Path(line.split()[4].encode().decode("unicode_escape")) for line in lines]
    return sorted((point for point in points if folder in point.parents), reverse=True)
