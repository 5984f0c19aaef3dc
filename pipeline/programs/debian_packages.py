"""Install Debian packages into a container and leave nothing but the packages.

    debian_packages.py [--python-headers] [--keep-downloads] PACKAGE…

With --keep-downloads what was downloaded stays where apt puts it: on a cache volume.
With --python-headers python3-dev is added where the interpreter is Debian's own; a Python built from
source under /usr/local has its headers already.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "DEBIAN_FRONTEND": "noninteractive",
    "HOME": "/root",
}
CONFIGURATION = Path("/etc/apt/apt.conf.d")
SETTINGS = """\
Dir::Etc::parts "{parts}";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
"""
"""Without the two caches, 45 MB each, which only a later apt on the same machine would read."""
KEEP = 'Binary::apt::APT::Keep-Downloaded-Packages "true";\n'
LEFTOVERS = (
    "var/cache/debconf/*-old",
    "var/cache/ldconfig/aux-cache",
    "var/lib/apt/extended_states",
    "var/lib/apt/lists/*",
    "var/lib/dpkg/*-old",
    "var/log/*.log",
    "var/log/apt/*",
)
"""What an installation leaves for the next one, or for nobody: it would be layers of an image."""
OPTIONS = ("-qq", "-o", "Dpkg::Use-Pty=0", "-o", "Acquire::Retries=3")


def main() -> int:
    """Return apt-get's exit status."""
    packages = [word for word in sys.argv[1:] if not word.startswith("--")]
    headers = Path(sysconfig.get_path("include"), "Python.h")
    if "--python-headers" in sys.argv and not headers.exists():
        packages.append("python3-dev")
    with _settings(keep="--keep-downloads" in sys.argv) as path:
        status = _apt_get(path, "update") or _apt_get(
            path, "install", "--yes", "--no-install-recommends", *packages
        )
    clean(Path("/"))
    return status


def clean(root: Path) -> None:
    """Delete the leftovers of an installation below a root."""
    for path in (path for pattern in LEFTOVERS for path in root.glob(pattern)):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


@contextmanager
def _settings(*, keep: bool) -> Iterator[Path]:
    """Give the path of settings for apt that are gone afterwards.

    docker-clean of Docker's images deletes downloads after each install: where they are kept, it is left
    out of the settings, and stays in the image as it was.
    """
    with tempfile.TemporaryDirectory() as folder:
        parts = Path(folder, "apt.conf.d")
        shutil.copytree(CONFIGURATION, parts, ignore=shutil.ignore_patterns("docker-clean") if keep else None)
        path = Path(folder, "apt.conf")
        path.write_text(SETTINGS.format(parts=parts) + (KEEP if keep else ""))
        yield path


def _apt_get(settings: Path, *words: str) -> int:
    environment = {**os.environ, **ENVIRONMENT, "APT_CONFIG": str(settings)}
    command = ["apt-get", *OPTIONS, *words]
    return subprocess.run(command, check=False, env=environment, stdout=subprocess.DEVNULL).returncode


if __name__ == "__main__":
    sys.exit(main())
