"""Compile the pins that have no wheel for this Python.

compile_wheels.py prepare PACKAGE…       install compilers, Python's headers and these Debian packages
compile_wheels.py compile FILE DIR       build a wheel of every pin of FILE, hashes checked, into DIR
"""

import subprocess
import sys
import sysconfig
from pathlib import Path


def main() -> int:
    """Return the exit status of the first process that fails."""
    verb, *words = sys.argv[1:]
    return prepare(words) if verb == "prepare" else build(Path(words[0]), Path(words[1]))


def prepare(packages: list[str]) -> int:
    """Install Debian packages; python3-dev only where the interpreter itself is Debian's."""
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        packages = [*packages, "python3-dev"]
    # The downloads are on a cache volume; the images of Docker delete them after each install.
    Path("/etc/apt/apt.conf.d/docker-clean").unlink(missing_ok=True)
    Path("/etc/apt/apt.conf.d/keep-downloads").write_text(
        'Binary::apt::APT::Keep-Downloaded-Packages "true";\n'
    )
    options = ["-qq", "-o", "Dpkg::Use-Pty=0", "-o", "Acquire::Retries=3"]
    update = subprocess.run(["apt-get", *options, "update"], check=False)
    if update.returncode:
        return update.returncode
    install = ["apt-get", *options, "install", "--yes", "--no-install-recommends", *packages]
    return subprocess.run(install, check=False, env=_environment(), stdout=subprocess.DEVNULL).returncode


def build(sources: Path, out: Path) -> int:
    """Build wheels with pip; the name of the pin that fails is in pip's own output."""
    out.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--require-hashes"]
    return subprocess.run(
        [*command, "--requirement", str(sources), "--wheel-dir", str(out)], check=False
    ).returncode


def _environment() -> dict[str, str]:
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return {"PATH": path, "DEBIAN_FRONTEND": "noninteractive", "HOME": "/root"}


if __name__ == "__main__":
    sys.exit(main())
