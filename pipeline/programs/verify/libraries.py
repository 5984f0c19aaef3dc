"""Promise about shared libraries: everything that an ELF file needs is in the image."""

import io
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from elftools.common.exceptions import ELFError  # type: ignore[import-not-found]
from elftools.elf.elffile import ELFFile  # type: ignore[import-not-found]

from verify.image import Entry, Image
from verify.origins import is_of_debian
from verify.subject import Subject
from verify.verdict import Observation, Promise

MAGIC: Final = b"\x7fELF"
HOST_DRIVER: Final = re.compile(r"libcuda\.so|libnvidia-|libnvcuvid\.so")
"""Libraries that the NVIDIA container runtime mounts from the host; never in an image."""
PLUGIN: Final = re.compile(r"^(/usr)?/lib/.+\.so")
"""Where Debian packages have libraries and what is opened by name."""
BUILT_IN: Final = ("/lib64", "/usr/lib64", "/lib", "/usr/lib")
"""Folders that the loader searches on its own. Source: ld.so(8)."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What the dynamic section of one ELF file asks for."""

    sonames: tuple[str, ...]
    folders: tuple[str, ...]
    """RPATH and RUNPATH, $ORIGIN resolved."""
    interpreter: str
    """Path of the dynamic loader; "" for a library."""


def resolvable(subject: Subject) -> Observation:
    """Look up every needed library as the loader would.

    A plugin of a Debian package that nothing links may want a library that is optional: what opens it
    goes on without it.
    """
    image = subject.image
    folders = list(_loader_folders(image))
    brought = {entry.name for entry in image.files if "/site-packages/" in entry.path}
    needed = {entry: needs for entry in image.files if (needs := needs_of(image, entry))}
    linked: set[str] = set()
    missing: dict[Entry, list[str]] = {}
    for entry, needs in needed.items():
        for soname in needs.sonames:
            if found := _found(image, soname, [*needs.folders, *folders]):
                linked.add(found.path)
            # Its package loads it before it is needed, as the CUDA wheels do.
            elif soname not in brought and not HOST_DRIVER.match(soname):
                missing.setdefault(entry, []).append(soname)
    plugins = [
        entry
        for entry in missing
        if PLUGIN.match(entry.path) and entry.path not in linked and is_of_debian(subject, entry)
    ]
    wrong = [
        f"{entry.path} needs {soname}{_package(image, entry)}"
        for entry, sonames in missing.items()
        if entry not in plugins
        for soname in sonames
    ]
    wrong += [
        f"{entry.path} needs the loader {needs.interpreter}"
        for entry, needs in needed.items()
        if needs.interpreter and not image.find(needs.interpreter)
    ]
    optional = f", {len(plugins)} plugins without an optional library" if plugins else ""
    return Observation(wrong, f"{len(needed)} ELF files{optional}")


def needs_of(image: Image, entry: Entry) -> Needs | None:
    """Return what a file needs; None for what is not an ELF file."""
    if not entry.member.isreg() or image.data[entry.start : entry.start + 4] != MAGIC:
        return None
    try:
        elf = ELFFile(io.BytesIO(image.contents(entry)))
        dynamic = next(iter(elf.iter_segments("PT_DYNAMIC")), None)
        tags = list(dynamic.iter_tags()) if dynamic else []
        interpreter = next((part.get_interp_name() for part in elf.iter_segments("PT_INTERP")), "")
    except ELFError as error:
        raise ValueError(f"{entry.path}: broken ELF file: {error}") from error
    origin = posixpath.dirname(entry.path)
    texts = [
        str(getattr(tag, "rpath", "") or getattr(tag, "runpath", ""))
        for tag in tags
        if tag.entry.d_tag in ("DT_RPATH", "DT_RUNPATH")
    ]
    places = [place for text in texts for place in text.split(":") if place]
    return Needs(
        sonames=tuple(tag.needed for tag in tags if tag.entry.d_tag == "DT_NEEDED"),
        folders=tuple(
            posixpath.normpath(place.replace("${ORIGIN}", origin).replace("$ORIGIN", origin))
            for place in places
        ),
        interpreter=interpreter,
    )


def _found(image: Image, soname: str, folders: list[str]) -> Entry | None:
    if "/" in soname:
        return image.find(soname)
    places = (image.find(posixpath.join(folder, soname)) for folder in folders)
    return next((found for found in places if found), None)


def _loader_folders(image: Image) -> Iterator[str]:
    """Yield the folders of ld.so.conf, then the built-in ones with the multiarch folders."""
    confs = sorted(path for path in image.tree if path.startswith("/etc/ld.so.conf.d/"))
    for conf in confs:
        lines = (line.strip() for line in image.text(conf).splitlines())
        yield from (line for line in lines if line.startswith("/"))
    yield from sorted(path for path in image.tree if re.match(r"^(/usr)?/lib/[^/]+-linux-gnu[^/]*$", path))
    yield from BUILT_IN


def _package(image: Image, entry: Entry) -> str:
    """Return " (wheel NAME VERSION)" for a file that a wheel's RECORD lists, else ""."""
    site, mark, inside = entry.path.partition("/site-packages/")
    if not mark:
        return ""
    for path in image.tree:
        if not path.startswith(f"{site}{mark}") or not path.endswith(".dist-info/RECORD"):
            continue
        if re.search(rf"^{re.escape(inside)},", image.text(path), re.MULTILINE):
            name, _, version = path.split("/")[-2].removesuffix(".dist-info").rpartition("-")
            return f" (wheel {name} {version})"
    return ""


PROMISES: Final = (
    Promise(
        "shared libraries resolvable",
        resolvable,
        "every NEEDED library in the image, the host's NVIDIA driver apart",
        "Add the Debian package that has it to os_packages, or switch off the prune rule that took it.",
    ),
)
