"""What declared Debian packages bring, and what stands in for ldconfig in an image."""

import ctypes.util
import platform
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "pipeline" / "programs"))

from os_packages import dependencies, interpreters, languages
from rootfs_files import LDCONFIG
from rootfs_rules import dropped, is_driver

pytestmark = pytest.mark.integration

FIELDS = {
    "tool": {"Depends": "libtool1 (>= 2), data | other-data, debconf (>= 0.5) | debconf-2.0, virtual"},
    "libtool1": {"Depends": "libc6, mesa-libgallium", "Section": "libs"},
    "data": {},
    "real": {"Provides": "virtual (= 1), libreal0"},
    "mesa-libgallium": {"Depends": "libllvm19"},
    "libllvm19": {"Section": "libs"},
    "debconf": {},
    "libc6": {"Section": "libs"},
    "bash": {"Essential": "yes"},
}


class Installed:
    """Packages of a container, as far as dependencies are asked of them."""

    fields = FIELDS


def closure(*names: str, keep: frozenset[str] = frozenset(), base: Path | None = None) -> set[str]:
    """Return what packages bring."""
    installed: Any = Installed()
    return dependencies(installed, list(names), base, lambda name: is_driver(name, keep))


def test_a_package_brings_what_it_depends_on():
    """Dependencies of dependencies, the installed one of alternatives, and what provides a virtual one."""
    assert closure("tool") == {"tool", "libtool1", "data", "real", "libc6", "mesa-libgallium"}


def test_a_package_may_be_named_by_what_it_provides():
    """libzbar0 is libzbar0t64 today."""
    assert closure("libreal0") == {"real"}


def test_drivers_are_cut_with_what_they_depend_on_unless_kept_or_named():
    """LLVM comes with `keep = ["os-graphics"]`, or where a driver is declared itself."""
    assert "libllvm19" in closure("tool", keep=frozenset({"os-graphics"}))
    assert "libllvm19" in closure("mesa-libgallium")


def test_libraries_of_the_base_are_left_to_those_who_link_them(tmp_path):
    """The base has its C library already; what is linked is found by its ELF files."""
    (tmp_path / "var/lib/dpkg").mkdir(parents=True)
    (tmp_path / "var/lib/dpkg/status").write_text("Package: libc6\nStatus: install ok installed\n")

    assert "libc6" not in closure("tool", base=tmp_path)


@pytest.mark.parametrize(
    ("path", "whole", "part"),
    [
        ("/usr/bin/ffmpeg", False, True),
        ("/usr/share/tesseract-ocr/5/tessdata/eng.traineddata", False, False),
        ("/usr/share/perl5/Image/ExifTool.pm", False, True),
        ("/var/lib/ghostscript/fonts/x", False, True),
        ("/usr/share/man/man1/ffmpeg.1.gz", True, True),
        ("/usr/share/doc/ffmpeg/copyright", False, False),
        ("/usr/include/x.h", True, True),
    ],
)
def test_rules_take_programs_of_libraries_and_not_of_declared_packages(path, whole, part):
    """Of a declared package only documents, start-up files and files for compilers are left out."""
    assert dropped(Path(path), frozenset(), whole=True) is whole
    assert dropped(Path(path), frozenset()) is part


def test_a_script_without_its_interpreter_is_named():
    """A shell script that cannot run is said at build time."""
    scripts = {Path("/usr/bin/ldd")}
    have = {Path("/usr/bin/bash"), Path("/usr/bin/dash"), Path("/usr/bin/sh")}

    assert [line for line in interpreters(scripts) if "/usr/bin/ldd is a script of bash" in line]
    assert not list(interpreters(scripts | have))


def test_a_script_brings_its_language_and_no_shell():
    """Perl is essential in Debian, so that no package depends on it by name; shells need `shell = true`."""

    class Owned:
        """Packages that own programs."""

        @staticmethod
        def owner(path: Path) -> str | None:
            return {"/usr/bin/perl": "perl-base", "/usr/bin/bash": "bash"}.get(str(path))

    owned: Any = Owned()
    perl = next(path for path in Path("/usr/bin").iterdir() if is_perl(path))

    assert languages(owned, {perl, Path("/usr/bin/ldd")}) == {"perl-base"}


def is_perl(path: Path) -> bool:
    """Return whether a file is a script of Perl."""
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as stream:
        return stream.read(15) == b"#!/usr/bin/perl"


def test_libraries_are_found_as_ldconfig_finds_them(tmp_path):
    """The module ctypes asks `ldconfig -p`; the script answers the same first name for each library."""
    script = tmp_path / "ldconfig"
    script.write_text(LDCONFIG.format(python=sys.executable))
    script.chmod(0o755)
    listed = subprocess.run([str(script), "-p"], check=True, capture_output=True, text=True).stdout
    kind = {"x86_64": "libc6,x86-64", "aarch64": "libc6,AArch64"}[platform.machine()]

    for name in ("c", "m", "ssl", "stdc++", "z"):
        match = re.search(rf"\s+(lib{re.escape(name)}\.[^\s]+)\s+\({kind}\)", listed)
        assert (match[1] if match else None) == ctypes.util.find_library(name)
    assert subprocess.run([str(script)], check=False, capture_output=True).returncode == 1
