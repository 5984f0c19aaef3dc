"""Walk a root filesystem that is mounted somewhere: links are read, never followed by the system."""

import os
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Final

MOUNTED: Final = ("/proc/", "/sys/", "/dev/")
"""What a container mounts over; never part of an image."""
APP: Final = "/srv/app/"
"""The service's own code. The list names it and says nothing of its files: an edit of them changes no
byte of the list, which a registry that has it then need not be sent again."""


@dataclass(frozen=True)
class Tree:
    """The root filesystem of an image, mounted at a folder."""

    root: Path

    @cached_property
    def paths(self) -> dict[str, bool]:
        """Return the absolute path of every file and link, sorted, and whether it is a link."""
        found: dict[str, bool] = {}
        for folder, names, files in self._folders():
            links = [name for name in names if (folder / name).is_symlink()]
            for name in (*links, *files):
                path = folder / name
                inside = f"/{path.relative_to(self.root)}"
                if not inside.startswith(MOUNTED):
                    found[inside] = path.is_symlink()
        return dict(sorted(found.items()))

    def _folders(self) -> Iterator[tuple[Path, list[str], list[str]]]:
        for folder, names, files in os.walk(self.root):
            yield Path(folder), names, files

    def at(self, path: str) -> Path:
        """Return where an absolute path of the image is on this machine."""
        return self.root / path.lstrip("/")

    def text(self, path: str) -> str:
        """Return the text of a file of the image, "" where it is absent."""
        place = self.at(self.canonical(path))
        return place.read_text(encoding="utf-8", errors="replace") if place.is_file() else ""

    def canonical(self, path: str) -> str:
        """Return a path with the links at its top resolved: /lib/x is /usr/lib/x after usrmerge."""
        top, _, rest = path.lstrip("/").partition("/")
        link = self.root / top
        if rest and link.is_symlink():
            return posixpath.normpath(posixpath.join("/", link.readlink(), rest))
        return posixpath.normpath(f"/{path.lstrip('/')}")

    def target(self, path: str) -> str:
        """Return where a link of the image points to, as an absolute path of the image."""
        joined = posixpath.join(posixpath.dirname(path), self.at(path).readlink())
        return self.canonical(posixpath.normpath(joined))

    def sha256(self, path: str) -> str:
        """Return the hex digest of a file of the image."""
        with self.at(path).open("rb") as opened:
            return file_digest(opened, "sha256").hexdigest()

    @property
    def foundation(self) -> list[str]:
        """Return every path other than the service's own code, sorted."""
        return [path for path in self.paths if not path.startswith(APP)]

    @cached_property
    def digest(self) -> str:
        """Return one sha256 over every path of the foundation with its contents or link target.

        Modes, owners and times are left out: engines hand the same image over with different ones.
        """
        whole = sha256()
        for path in self.foundation:
            content = f"-> {self.at(path).readlink()}" if self.paths[path] else self.sha256(path)
            whole.update(f"{path}\0{content}\n".encode())
        return whole.hexdigest()
