"""Mount a directory copy-on-write and make a folder of what became of it."""

import os
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wheelhouse_engine.copying import Copying, clone, copy_tree
from wheelhouse_engine.paths import resolve

OPAQUE = "trusted.overlay.opaque"


@dataclass(frozen=True, slots=True)
class Overlay:
    """Hold an overlay mount: what is below is never written."""

    lower: Path
    upper: Path
    work: Path

    @classmethod
    def make(cls, lower: Path, scratch: Path) -> "Overlay":
        """Create the folders of an overlay; its root looks like the lower one's."""
        upper, work = scratch / "upper", scratch / "work"
        upper.mkdir(parents=True)
        work.mkdir()
        found = lower.stat()
        os.chown(upper, found.st_uid, found.st_gid)
        upper.chmod(stat.S_IMODE(found.st_mode))
        return cls(lower, upper, work)

    def entry(self, target: str) -> dict[str, Any]:
        """Return the runtime's mount entry."""
        options = [f"lowerdir={self.lower}", f"upperdir={self.upper}", f"workdir={self.work}"]
        return {"destination": target, "type": "overlay", "source": "overlay", "options": options}

    def own(self, owner: tuple[int, int]) -> None:
        """Give everything to an owner: each file is copied up."""
        copy_tree(self.lower, self.upper, "/", Copying(owner=owner, link=False))
        os.chown(self.upper, *owner)

    def writable(self, inner: str) -> Path:
        """Return where a path is written: its folders are copied up, and an empty file for one below.

        Raises:
            OSError: a folder on the way does not exist, or is none.

        """
        path = resolve(self.lower, inner).relative_to(self.lower)
        for folder in reversed(path.parents[:-1]):
            if not (self.upper / folder).exists():
                (self.upper / folder).mkdir()
                _look_like(self.upper / folder, self.lower / folder)
        if (self.lower / path).is_file() and not (self.upper / path).exists():
            (self.upper / path).touch()
            _look_like(self.upper / path, self.lower / path)
        return self.upper / path

    def changed(self) -> bool:
        """Say whether anything was written."""
        return any(self.upper.iterdir())

    def flatten(self, dest: Path) -> None:
        """Make `dest` the merged content: a clone of the lower with the upper applied."""
        clone(self.lower, dest)
        _apply(self.upper, dest)


def _look_like(copy: Path, source: Path) -> None:
    found = source.stat()
    os.chown(copy, found.st_uid, found.st_gid)
    copy.chmod(stat.S_IMODE(found.st_mode))
    os.utime(copy, ns=(found.st_atime_ns, found.st_mtime_ns))


def _apply(upper: Path, dest: Path) -> None:
    """Move the entries of an upper folder over a merged one; whiteouts remove."""
    with os.scandir(upper) as entries:
        for entry in entries:
            found = entry.stat(follow_symlinks=False)
            target = dest / entry.name
            if stat.S_ISCHR(found.st_mode) and found.st_rdev == 0:
                _remove(target)
            elif stat.S_ISDIR(found.st_mode):
                _apply_folder(Path(entry.path), target)
            else:
                _remove(target)
                Path(entry.path).rename(target)
    shutil.copystat(upper, dest)


def _apply_folder(source: Path, target: Path) -> None:
    found = source.lstat()
    hidden = OPAQUE in os.listxattr(source) and os.getxattr(source, OPAQUE) == b"y"
    if hidden or not target.is_dir() or target.is_symlink():
        _remove(target)
    target.mkdir(exist_ok=True)
    _apply(source, target)
    os.chown(target, found.st_uid, found.st_gid)
    target.chmod(stat.S_IMODE(found.st_mode))
    os.utime(target, ns=(found.st_atime_ns, found.st_mtime_ns))
    if OPAQUE in os.listxattr(target):
        os.removexattr(target, OPAQUE)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
