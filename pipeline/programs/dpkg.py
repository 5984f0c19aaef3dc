"""Read which Debian package owns a file, from dpkg's own records; no process is started."""

from functools import cache
from pathlib import Path

from lib.deb822 import fields, is_installed

ADMIN = Path("/var/lib/dpkg")


def canonical(path: Path) -> Path:
    """Return the path with links of its folder resolved (/lib is /usr/lib), its last part kept."""
    return path.parent.resolve() / path.name


class Packages:
    """The installed packages of the container that this program runs in."""

    def __init__(self) -> None:
        """Read /var/lib/dpkg/status and the file list of every package."""
        texts = (ADMIN / "status").read_text().split("\n\n")
        installed = [(one, text) for text in texts if is_installed(one := fields(text))]
        self.stanzas = {one["Package"]: text for one, text in installed}
        self.fields = {one["Package"]: one for one, _ in installed}
        self._owner: dict[Path, str] = {}
        for name in self.stanzas:
            for path in self.files(name):
                self._owner.setdefault(path, name)

    def owner(self, path: Path) -> str | None:
        """Return the package that a path belongs to, or None."""
        return self._owner.get(canonical(path))

    def files(self, name: str) -> list[Path]:
        """Return the files and links of a package, folders left out, links of folders resolved."""
        lists = [*(ADMIN / "info").glob(f"{name}.list"), *(ADMIN / "info").glob(f"{name}:*.list")]
        listed = (Path(line) for path in lists for line in path.read_text().splitlines() if line != "/.")
        return [_canonical(str(path)) for path in listed if path.is_symlink() or path.is_file()]

    def checksums(self, name: str) -> str:
        """Return the md5sums record of a package, which scanners read next to its stanza."""
        records = [*(ADMIN / "info").glob(f"{name}.md5sums"), *(ADMIN / "info").glob(f"{name}:*.md5sums")]
        return "".join(record.read_text() for record in records)


@cache
def _folder(path: str) -> Path:
    return Path(path).resolve()


def _canonical(path: str) -> Path:
    parent, _, name = path.rpartition("/")
    return _folder(parent or "/") / name
