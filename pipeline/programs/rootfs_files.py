"""Write the few files of a root filesystem that no Debian package has ready."""

import sys
from pathlib import Path

from dpkg import Packages
from lib.deb822 import stanzas

ACCOUNTS = """\
root:x:0:0:root:/root:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
app:x:1001:1001:app:/srv/app:/usr/sbin/nologin
"""
LDCONFIG = """\
#!{python} -IS
import os, sys
if sys.argv[1:] != ["-p"]:
    sys.exit("ldconfig: only -p is known here: nothing is installed into this image")
confs = [os.path.join("/etc/ld.so.conf.d", name) for name in sorted(os.listdir("/etc/ld.so.conf.d"))]
folders = [line.strip() for conf in confs for line in open(conf) if line.startswith("/")]
folders += [os.path.join("/usr/lib", name) for name in sorted(os.listdir("/usr/lib")) if "-linux-gnu" in name]
kind = {{"x86_64": "libc6,x86-64", "aarch64": "libc6,AArch64"}}.get(os.uname().machine, "libc6")
for folder in dict.fromkeys([*folders, "/usr/lib64", "/usr/lib"]):
    names = [name for name in sorted(os.listdir(folder), reverse=True) if ".so" in name] \\
        if os.path.isdir(folder) else []
    # A link named as the soname stands for the file that it leads to.
    links = [os.path.join(folder, name) for name in names if ".so." in name]
    targets = {{os.readlink(link) for link in links if os.path.islink(link)}}
    for name in names:
        if name.startswith("lib") and name not in targets:
            print(f"\\t{{name}} ({{kind}}) => {{folder}}/{{name}}")
"""
"""What ctypes.util.find_library asks. Source: ldconfig -p; the real one is a megabyte and reads a cache."""
GROUP = "root:x:0:\nnogroup:x:65534:\napp:x:1001:\n"
NSSWITCH = "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n"
BUNDLE = "etc/ssl/certs/ca-certificates.crt"
FOLDERS = {"tmp": 0o1777, "var/tmp": 0o1777, "proc": 0o755, "sys": 0o755, "dev": 0o755, "run": 0o755}


def write_system_files(root: Path) -> None:
    """Write users, name service order, certificates and the folders that a container mounts on."""
    texts = {"etc/passwd": ACCOUNTS, "etc/group": GROUP, "etc/nsswitch.conf": NSSWITCH}
    texts |= {BUNDLE: certificates(), "etc/ld.so.conf": "include /etc/ld.so.conf.d/*.conf\n"}
    for conf in sorted(Path("/etc/ld.so.conf.d").glob("*.conf")):
        texts[str(conf).lstrip("/")] = conf.read_text()
    texts |= {"usr/sbin/ldconfig": LDCONFIG.format(python=sys.executable)}
    for name, text in texts.items():
        target = root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        target.chmod(0o755 if "/sbin/" in name else 0o644)
    links = {"etc/os-release": "../usr/lib/os-release", "etc/localtime": "/usr/share/zoneinfo/Etc/UTC"}
    links |= {"usr/lib/ssl/cert.pem": f"/{BUNDLE}", "usr/lib/ssl/certs": "/etc/ssl/certs"}
    for name, place in links.items():
        target = root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.is_symlink():
            target.symlink_to(place)
    for name, mode in FOLDERS.items():
        (root / name).mkdir(parents=True, exist_ok=True)
        (root / name).chmod(mode)


def certificates() -> str:
    """Return the bundle of the certificates that the package ca-certificates enables.

    Made from the single files: the container's own bundle may hold certificates of the machine
    that builds, which must not reach an image.
    """
    conf = Path("/etc/ca-certificates.conf")
    names = conf.read_text().splitlines() if conf.exists() else []
    chosen = [Path("/usr/share/ca-certificates", name) for name in names if name and name[0] not in "#!"]
    return "".join(path.read_text().rstrip() + "\n" for path in chosen if path.exists())


def recorded(root: Path) -> set[str]:
    """Return the packages that a root has records of, in either form."""
    single = {path.name for path in (root / "var/lib/dpkg/status.d").glob("*")}
    status = root / "var/lib/dpkg/status"
    text = status.read_text() if status.exists() else ""
    return single | {one["Package"] for one in stanzas(text) if "Package" in one}


def write_records(root: Path, packages: Packages, names: set[str]) -> None:
    """Write one status.d record per kept package, the form that scanners of distroless images read."""
    folder = root / "var/lib/dpkg/status.d"
    folder.mkdir(parents=True, exist_ok=True)
    for name in sorted(names):
        (folder / name).write_text(packages.stanzas[name].strip() + "\n")
        (folder / f"{name}.md5sums").write_text(packages.checksums(name))
