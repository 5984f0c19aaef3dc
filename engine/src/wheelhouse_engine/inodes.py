"""Make, link and replace single files with all that belongs to them."""
# ruff: noqa: PTH101, PTH104, PTH108, PTH115, PTH116, PTH120, PTH211
# Strings on purpose: pathlib costs more than the system calls here.

import errno
import os
import secrets
import shutil
import stat
from pathlib import Path
from typing import Final

from wheelhouse_engine.staging import STAGING_PREFIX, remove_tree

Owner = tuple[int, int]
"""User and group number."""

_UNLINKABLE: Final = frozenset({errno.EXDEV, errno.EMLINK, errno.EPERM, errno.EACCES, errno.ENOTSUP})
_CHUNK_BYTES: Final = 1 << 30


def private(path: Path) -> None:
    """Give `path` an inode of its own if it shares one.

    Call it before a file of a clone is changed in any way. Folders and files
    with one link stay as they are.
    """
    state = os.lstat(path)
    if state.st_nlink < 2 or stat.S_ISDIR(state.st_mode):  # noqa: PLR2004 - shared means two
        return
    folder = os.stat(path.parent)
    renew(os.fspath(path), state)
    os.utime(path.parent, ns=(folder.st_atime_ns, folder.st_mtime_ns))


def renew(path: str, state: os.stat_result) -> None:
    """Put an equal file, link or device with an inode of its own at `path`.

    `state` is what lstat gives for it. The folder's time changes.
    """
    made = f"{os.path.dirname(path)}/{STAGING_PREFIX}{secrets.token_hex(8)}"
    try:
        duplicate(path, made, state)
        stamp(path, made, state)
        os.rename(made, path)
    except BaseException:
        clear(made)
        raise


def stamp(
    source: str,
    dest: str,
    state: os.stat_result,
    *,
    owner: Owner | None = None,
    mode: int | None = None,
) -> None:
    """Give `dest` the owner, mode, xattrs and times of `source`.

    `owner` and `mode` may be others than the source's; a link has no mode.
    Owners are left alone where the system forbids changing them to a user who
    is not root.
    """
    try:
        os.chown(dest, *(owner or (state.st_uid, state.st_gid)), follow_symlinks=False)
    except PermissionError:
        if os.geteuid() == 0:
            raise
    if not stat.S_ISLNK(state.st_mode):
        os.chmod(dest, stat.S_IMODE(state.st_mode) if mode is None else mode)
    _copy_xattrs(source, dest)
    os.utime(dest, ns=(state.st_atime_ns, state.st_mtime_ns), follow_symlinks=False)


def clear(dest: str) -> None:
    """Remove what is at `dest`, if anything: a file, a link or a whole folder."""
    try:
        os.unlink(dest)
    except FileNotFoundError:
        return
    except IsADirectoryError:
        remove_tree(Path(dest))


def link(source: str, dest: str) -> bool:
    """Hard-link, replacing what is at `dest`; False where it cannot be done.

    Raises:
        OSError: what the system refuses for another reason.

    """
    try:
        os.link(source, dest, follow_symlinks=False)
    except FileExistsError:
        if os.path.samestat(os.lstat(source), os.lstat(dest)):
            return True
        clear(dest)
        return link(source, dest)
    except OSError as problem:
        if problem.errno in _UNLINKABLE:
            return False
        raise
    return True


def duplicate(source: str, dest: str, state: os.stat_result) -> None:
    """Make a new inode at `dest` with the content of `source`, unstamped.

    Raises:
        OSError: `dest` exists, and what the system refuses.

    """
    kind = stat.S_IFMT(state.st_mode)
    if kind == stat.S_IFREG:
        _copy_content(source, dest)
    elif kind == stat.S_IFLNK:
        os.symlink(os.readlink(source), dest)
    else:
        os.mknod(dest, state.st_mode, state.st_rdev)


def _copy_content(source: str, dest: str) -> None:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    reading = os.open(source, flags)
    try:
        writing = os.open(dest, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            _pump(reading, writing)
        finally:
            os.close(writing)
    finally:
        os.close(reading)


def _pump(reading: int, writing: int) -> None:
    """Copy a file inside the kernel where it can; by hand where it cannot."""
    try:
        while os.copy_file_range(reading, writing, _CHUNK_BYTES):
            pass
    except OSError as problem:
        if problem.errno not in {errno.EXDEV, errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM}:
            raise
        with open(reading, "rb", closefd=False) as source, open(writing, "wb", closefd=False) as dest:
            shutil.copyfileobj(source, dest, 1 << 20)


def _copy_xattrs(source: str, dest: str) -> None:
    """Copy extended attributes, as far as the destination can hold them."""
    try:
        names = os.listxattr(source, follow_symlinks=False)
    except OSError as problem:
        if problem.errno in {errno.ENOTSUP, errno.EPERM, errno.EACCES}:
            return
        raise
    for name in names:
        try:
            os.setxattr(dest, name, os.getxattr(source, name, follow_symlinks=False), follow_symlinks=False)
        except OSError as problem:
            if problem.errno not in {errno.ENOTSUP, errno.EPERM, errno.ENODATA, errno.EACCES}:
                raise
