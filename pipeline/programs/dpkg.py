"""Read which Debian package owns a file, from dpkg's own records; no process is started."""

from functools import cache
from pathlib import Path

ADMIN = Path("/var/lib/dpkg")


def canonical(path: Path) -> Path:
    """Return the path with links of its folder resolved (/lib is /usr/lib), its last part kept."""
    return path.parent.resolve() / path.name


class Packages:
    """The installed packages of the container that this program runs in."""

    def __init__(self) -> None:
        """Read /var/lib/dpkg/status and the file list of every package."""
        self.stanzas = {
            fields["Package"]: stanza
            for stanza in (ADMIN / "status").read_text().split("\n\n")
            if (fields := _fields(stanza)).get("Status", "").endswith(" installed")
        }
        self.fields = {name: _fields(stanza) for name, stanza in self.stanzas.items()}
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
        """Return the md5sums record of a package, which scanners read beside its stanza."""
        records = [*(ADMIN / "info").glob(f"{name}.md5sums"), *(ADMIN / "info").glob(f"{name}:*.md5sums")]
        return "".join(record.read_text() for record in records)


@cache
def _folder(path: str) -> Path:
    return Path(path).resolve()


def _canonical(path: str) -> Path:
    parent, _, name = path.rpartition("/")
    return _folder(parent or "/") / name


def _fields(stanza: str) -> dict[str, str]:
    lines = (line.partition(": ") for line in stanza.splitlines() if line[:1] != " ")
    return {key: value for key, separator, value in lines if separator}
