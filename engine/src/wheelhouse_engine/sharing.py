"""Let a new layer share the inodes of the files it was copied from.

A commit writes every file anew, so a wheel directory or a model that is copied
into an image would lie twice on disk. Layers and trees are never written after
they are made, so equal files may be one inode; Dagger's snapshots have it so too.
"""

import os
import secrets
import stat
from collections.abc import Sequence
from pathlib import Path

from wheelhouse_engine.inodes import link


def share(layer: Path, sources: Sequence[Path]) -> int:
    """Link the files of `layer` to those of the same path in `sources`; return how many bytes that freed.

    `layer` is the copy's folder or file inside the new layer, `sources` are the
    places it may have come from, the top one first: the first that has a path
    is the one that was copied. A file is left alone unless size, mode, owner,
    seconds of its time and extended attributes are equal.
    """
    if layer.is_symlink() or not layer.is_dir():
        return _share_file(os.fspath(layer), [os.fspath(one) for one in sources])
    freed = 0
    for folder, _, names in os.walk(layer):
        inner = os.path.relpath(folder, layer)
        state = Path(folder).stat()
        for name in names:
            freed += _share_file(f"{folder}/{name}", [f"{one}/{inner}/{name}" for one in sources])
        os.utime(folder, ns=(state.st_atime_ns, state.st_mtime_ns))
    return freed


def _share_file(path: str, sources: Sequence[str]) -> int:
    for source in sources:
        try:
            origin = os.lstat(source)
        except OSError:
            continue
        state = os.lstat(path) if os.path.lexists(path) else None
        if state is None or not _equal(path, state, source, origin):
            return 0
        fresh = f"{path}.{secrets.token_hex(8)}"
        if not link(source, fresh):
            return 0
        Path(fresh).rename(path)
        return state.st_size if state.st_nlink == 1 else 0
    return 0


def _equal(path: str, state: os.stat_result, source: str, origin: os.stat_result) -> bool:
    if not stat.S_ISREG(state.st_mode) or (state.st_dev, state.st_ino) == (origin.st_dev, origin.st_ino):
        return False
    return (
        _visible(state) == _visible(origin)
        and int(state.st_mtime) == int(origin.st_mtime)
        and _attributes(path) == _attributes(source)
    )


def _visible(state: os.stat_result) -> tuple[int, int, int, int]:
    return state.st_mode, state.st_uid, state.st_gid, state.st_size


def _attributes(path: str) -> dict[str, bytes]:
    return {name: os.getxattr(path, name) for name in os.listxattr(path)}
