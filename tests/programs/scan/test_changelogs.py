"""Debian changelogs: what an update repairs is found, what is installed already is not."""

import gzip
import shutil
import subprocess
from pathlib import Path

import pytest
from scan.changelog import changelog_text, fixed_since
from scan.changelogs import policy, released

CHANGELOG = """\
expat (2.5.0-1+deb12u3) bookworm-security; urgency=high

  * Fix CVE-2026-30003 and CVE-2026-30004.

 -- A Person <a@example.org>  Sat, 14 Nov 2026 10:00:00 +0000

expat (2.5.0-1+deb12u2) bookworm-security; urgency=high

  * CVE-2026-20002: stop an overflow. See also CVE-2026-30003.

 -- A Person <a@example.org>  Sat, 14 Mar 2026 10:00:00 +0000

expat (2.5.0-1+deb12u1) bookworm-security; urgency=high

  * CVE-2024-10001: older.

 -- A Person <a@example.org>  Sat, 14 Sep 2024 10:00:00 +0000
"""
POLICY = """\
libexpat1:
  Installed: (none)
  Candidate: 2.5.0-1+deb12u3
  Version table:
     2.5.0-1+deb12u3 500
gone:
  Installed: 1
  Candidate: (none)
  Version table:
zlib1g:
  Installed: (none)
  Candidate: 1:1.2.13.dfsg-1
"""


def newer(version: str, than: str) -> bool:
    """Return whether a version is above another, for versions that differ in their last digit."""
    return version > than


def test_cves_of_newer_entries_are_fixable_at_the_lowest_version():
    """Each CVE named above the installed version is found with the first version that repairs it."""
    assert fixed_since(CHANGELOG, "2.5.0-1+deb12u1", newer) == {
        "CVE-2026-30003": "2.5.0-1+deb12u2",
        "CVE-2026-30004": "2.5.0-1+deb12u3",
        "CVE-2026-20002": "2.5.0-1+deb12u2",
    }


def test_the_newest_version_has_nothing_to_fix():
    """What is installed at the candidate's version has no fixable CVE."""
    assert fixed_since(CHANGELOG, "2.5.0-1+deb12u3", newer) == {}


def test_candidates_are_read_and_packages_without_one_left_out():
    """A package that the source does not know has no candidate: it counts as not judged."""
    assert policy(POLICY) == {"libexpat1": "2.5.0-1+deb12u3", "zlib1g": "1:1.2.13.dfsg-1"}


def test_the_age_of_the_package_lists_is_that_of_the_newest_release_file(tmp_path: Path):
    """The date comes from the source's own Release file, 0 where there is none."""
    assert released(tmp_path) == 0
    (tmp_path / "mirror_dists_trixie_InRelease").write_text(
        "Origin: Debian\nDate: Fri, 20 Nov 2026 02:00:00 UTC\n"
    )
    (tmp_path / "mirror_dists_old_Release").write_text("Date: Fri, 20 Nov 2020 02:00:00 UTC\n")

    assert released(tmp_path) == 1795140000


@pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="dpkg-deb makes the package")
def test_the_changelog_is_read_out_of_a_package(tmp_path: Path):
    """A .deb's own changelog is found in its data, whatever else it holds."""
    tree = tmp_path / "tree"
    doc = tree / "usr/share/doc/libexpat1"
    doc.mkdir(parents=True)
    (doc / "changelog.Debian.gz").write_bytes(gzip.compress(CHANGELOG.encode()))
    (tree / "DEBIAN").mkdir()
    control = (
        "Package: libexpat1\nVersion: 1\nArchitecture: all\nMaintainer: A <a@example.org>\nDescription: x\n"
    )
    (tree / "DEBIAN/control").write_text(control)
    build = ["dpkg-deb", "--build", "--root-owner-group", str(tree), str(tmp_path / "x.deb")]
    subprocess.run(build, check=True, capture_output=True)

    assert changelog_text(tmp_path / "x.deb", "libexpat1") == CHANGELOG
    assert changelog_text(tmp_path / "x.deb", "other") == ""
