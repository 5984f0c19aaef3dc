"""Read the CVEs out of a Debian changelog."""

import gzip
import re
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

HEADER: Final = re.compile(r"^\S+ \((?P<version>[^)]+)\) ")
CVE: Final = re.compile(r"\bCVE-\d{4}-\d{4,7}\b")


def fixed_since(text: str, installed: str, newer: Callable[[str, str], bool]) -> dict[str, str]:
    """Return CVE -> the lowest version above the installed one whose entry names it.

    Args:
        text: a changelog, newest entry first.
        installed: version of the source package in the image.
        newer: whether its first version is above its second.

    """
    found: dict[str, str] = {}
    version = ""
    for line in text.splitlines():
        if header := HEADER.match(line):
            version = header["version"]
            if not newer(version, installed):
                break
        elif version:
            found |= dict.fromkeys(CVE.findall(line), version)
    return found


def changelog_text(archive: Path, package: str) -> str:
    """Return the Debian changelog inside a .deb, "" where it has none of its own."""
    # A native package (ca-certificates, tzdata) has one changelog, without the suffix.
    native = f"./usr/share/doc/{package}/changelog.gz"
    names = (f"./usr/share/doc/{package}/changelog.Debian.gz", native)
    command = ["dpkg-deb", "--fsys-tarfile", str(archive)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as unpacking:
        try:
            with tarfile.open(fileobj=unpacking.stdout, mode="r|") as files:
                return _first(files, names)
        finally:
            unpacking.kill()


def _first(files: tarfile.TarFile, names: tuple[str, ...]) -> str:
    """Return the text of the first name that the archive has, in the order of the names."""
    found: dict[str, str] = {}
    for member in files:
        if member.name in names and member.isfile() and (content := files.extractfile(member)):
            found[member.name] = gzip.decompress(content.read()).decode("utf-8", "replace")
    return next((found[name] for name in names if name in found), "")
