"""What is installed is what the locks name, byte for byte, and finds its libraries."""

import _ctypes
import shutil
from hashlib import md5
from pathlib import Path

import pytest

from tests.programs.verify.conftest import SITE, TAG, pyc

pytestmark = pytest.mark.integration


def test_an_unlocked_package_is_named(small):
    """What no lock names is not installed."""
    small.add(f"{SITE}/extra-2.0.dist-info/METADATA", "Name: extra\nVersion: 2.0\nLicense-Expression: MIT\n")

    checks = small.verdicts()

    assert "extra 2.0 is in no lock" in checks["packages match the lock"]["found"]
    assert checks["package files match the wheels"]["status"] == "failed"


def test_a_changed_package_file_is_named(small):
    """One byte that differs from the wheel fails."""
    small.add(f"{SITE}/demo/__init__.py", "B = 3\n")

    assert small.broken() == ["package files match the wheels", "package records tell the truth"]


def test_a_record_that_lists_what_is_not_there_is_named(small):
    """An inventory reads RECORD: a dropped file that it still lists is a lie."""
    hashed = f"demo/gone.py,sha256={'x' * 43},9"
    small.add(f"{SITE}/demo-1.0.dist-info/RECORD", f"{hashed}\ndemo/__init__.py,,\n")

    checks = small.verdicts()

    assert "demo/gone.py is listed and not there" in checks["package records tell the truth"]["found"]
    assert [name for name, one in checks.items() if one["status"] == "failed"] == [
        "package records tell the truth"
    ]


@pytest.mark.parametrize("image", ["", "nvidia/cuda:13.0.1-base-ubi9"])
def test_libraries_beside_the_wheels_pass_only_where_an_image_of_nvidia_brought_them(small, image):
    """Without --cuda-base a library of no wheel is a file of no wheel."""
    small.add(f"{SITE}/nvidia/cu13/lib/libcudart.so.13", "not a library")
    small.facts["cuda_image"] = image

    assert ("package files match the wheels" in small.broken()) == (not image)


def test_bytecode_of_another_source_is_named(small):
    """Unchecked bytecode is used whatever the source says, so it must be that of the source."""
    small.add(f"srv/app/rag/__pycache__/main.{TAG}.pyc", pyc("A = 2\n"))

    assert small.broken() == ["bytecode valid"]


def test_a_missing_library_is_named(small):
    """A library that the loader would not find is named with the file that needs it."""
    small.add("usr/lib/extra.so", Path(shutil.which("tail") or "/usr/bin/tail").read_bytes())

    checks = small.verdicts()

    assert "needs libc.so.6" in checks["shared libraries resolvable"]["found"]
    assert checks["shared libraries resolvable"]["status"] == "failed"


@pytest.mark.parametrize("listed", [True, False])
def test_a_plugin_may_lack_an_optional_library_only_where_debian_brings_it(small, listed):
    """What no Debian package lists is held to everything that it needs."""
    library = Path(_ctypes.__file__).read_bytes()
    small.add("usr/lib/plugins/extra.so", library)
    if listed:
        digest = md5(library, usedforsecurity=False).hexdigest()
        small.add("var/lib/dpkg/status.d/extra.md5sums", f"{digest}  usr/lib/plugins/extra.so\n")

    assert ("shared libraries resolvable" in small.broken()) == (not listed)
