"""Install Debian packages into a working container, its downloads on a cache volume.

    debian_packages.py [--python-headers] PACKAGE…

With --python-headers python3-dev is added where the interpreter is Debian's own; a Python built from
source under /usr/local has its headers already.
"""

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "DEBIAN_FRONTEND": "noninteractive",
    "HOME": "/root",
}
OPTIONS = ("-qq", "-o", "Dpkg::Use-Pty=0", "-o", "Acquire::Retries=3")


def main() -> int:
    """Return apt-get's exit status."""
    packages = [word for word in sys.argv[1:] if word != "--python-headers"]
    headers = Path(sysconfig.get_path("include"), "Python.h")
    if "--python-headers" in sys.argv and not headers.exists():
        packages.append("python3-dev")
    # The downloads are on a cache volume; the images of Docker delete them after each install.
    Path("/etc/apt/apt.conf.d/docker-clean").unlink(missing_ok=True)
    keep = 'Binary::apt::APT::Keep-Downloaded-Packages "true";\n'
    Path("/etc/apt/apt.conf.d/keep-downloads").write_text(keep)
    update = subprocess.run(["apt-get", *OPTIONS, "update"], check=False)
    if update.returncode:
        return update.returncode
    install = ["apt-get", *OPTIONS, "install", "--yes", "--no-install-recommends", *packages]
    status = subprocess.run(install, check=False, env=ENVIRONMENT, stdout=subprocess.DEVNULL).returncode
    shutil.rmtree("/var/lib/apt/lists", ignore_errors=True)  # 60 MB that the next update replaces
    return status


if __name__ == "__main__":
    sys.exit(main())
