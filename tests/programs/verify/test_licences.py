"""Licences are read as people write them, and what is on no list can be accepted by version."""

import json
import os
import subprocess

import pytest

from tests.programs.verify.conftest import METADATA, PROGRAMS, SITE

pytestmark = pytest.mark.integration

READ = """
import json, sys
from verify.licence_names import read
print(json.dumps([read(text) for text in json.load(sys.stdin)]))
"""
WRITTEN = {
    "Apache 2": "Apache-2.0",
    "Apache 2.0 License": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "ASL 2": "Apache-2.0",
    "http://www.apache.org/licenses/LICENSE-2.0": "Apache-2.0",
    "The MIT License (MIT)": "MIT",
    "MIT/X11": "MIT",
    "3-Clause BSD License": "BSD-3-Clause",
    "Simplified BSD": "BSD-2-Clause",
    "BSD or Apache License, Version 2.0": "BSD-3-Clause OR Apache-2.0",
    "MIT and Apache 2.0": "MIT AND Apache-2.0",
    "LGPL with exceptions": "LGPL-2.0-or-later",
    "GNU Lesser General Public License v3 or later (LGPLv3+)": "LGPL-3.0-or-later",
    "GNU Affero General Public License v3": "AGPL-3.0-only",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "PSFL": "PSF-2.0",
    "ISC License (ISCL)": "ISC",
    "Public domain": "LicenseRef-Public-Domain",
    "Apache-2.0 AND CNRI-Python": "Apache-2.0 AND CNRI-Python",
    "GPL-3.0-or-later WITH GCC-exception-3.1": "GPL-3.0-or-later WITH GCC-exception-3.1",
    "GPLv3": "GPL-3.0-only",
    "Dual License": "",
    "Commercial": "",
    "MIT AND": "",
    "BSD-like": "",
    "MIT, with Commons Clause": "",
}
MIT_TEXT = """MIT License

Copyright (c) 2022 Somebody, Somebody Else

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.
"""
UNNAMED = "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n"


@pytest.fixture(scope="module")
def read(python):
    """Read all texts in one process; return text -> expression."""
    done = subprocess.run(
        [python, "-c", READ],
        input=json.dumps([*WRITTEN, MIT_TEXT]),
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(PROGRAMS)},
    )
    return dict(zip([*WRITTEN, MIT_TEXT], json.loads(done.stdout), strict=True))


@pytest.mark.parametrize(("written", "expression"), WRITTEN.items())
def test_a_licence_is_read_as_people_write_it(read, written, expression):
    """Names, old names, addresses and lists of names become SPDX; what nobody can know stays unread."""
    assert read[written] == expression


def test_a_whole_text_is_recognised(read):
    """A package that writes the licence itself into its metadata names it all the same."""
    assert read[MIT_TEXT] == "MIT"


@pytest.mark.parametrize(
    ("metadata", "members"),
    [
        (f"{UNNAMED}License: Apache 2.0 License\n", {}),
        (f"{UNNAMED}License: Dual License\nClassifier: License :: OSI Approved :: MIT License\n", {}),
        (f"{UNNAMED}License: {MIT_TEXT.replace(chr(10), chr(10) + '        ')}\n", {}),
        (UNNAMED, {"demo-1.0.dist-info/licenses/LICENSE": MIT_TEXT}),
        (UNNAMED, {"demo-1.0.dist-info/LICENSE.txt": MIT_TEXT}),
    ],
    ids=["name", "classifier", "text", "licence file", "old licence file"],
)
def test_a_licence_is_found_wherever_a_wheel_has_it(wheel, metadata, members):
    """Fields, classifiers and licence files are read, in this order."""
    small = wheel(members, metadata)
    small.facts["licences"] = ["MIT", "Apache-2.0"]

    assert small.broken() == []


def test_a_licence_that_cannot_be_read_is_told_with_what_was_written(wheel):
    """The finding says where nothing was found, and both keys that help."""
    check = wheel({}, f"{UNNAMED}License: Ask us\n").verdicts()["licences allowed"]

    assert check["status"] == "failed"
    assert "demo 1.0: License 'Ask us'; no licence file" in check["found"]
    assert "[[tool.wheelhouse.verify.accepted_licences]]" in check["do"]


@pytest.mark.parametrize(("version", "fails"), [("1.0", False), ("0.9", True)])
def test_a_licence_is_accepted_for_one_version(wheel, version, fails):
    """The next version has to be read again."""
    small = wheel({}, UNNAMED)
    reason = "read on 2026-11-28: like MIT"
    small.facts["accepted_licences"] = [{"package": "Demo", "version": version, "reason": reason}]

    assert ("licences allowed" in small.broken()) == fails


def test_an_acceptance_that_matches_nothing_is_told(small):
    """What was accepted and is gone is named, and fails nothing."""
    small.facts["accepted_licences"] = [
        {"package": "gone", "version": "1", "reason": "used once upon a time"}
    ]

    check = small.verdicts()["licences allowed"]

    assert check["status"] == "passed"
    assert "match nothing: gone 1" in check["found"]


def test_a_licence_with_a_named_exception_is_allowed_by_that_name(wheel):
    """The run-time libraries of GCC are no reason to allow the GPL."""
    small = wheel({}, METADATA.replace("MIT", "MIT AND GPL-3.0-or-later WITH GCC-exception-3.1"))
    small.facts["licences"] = ["MIT", "GPL-3.0-or-later WITH GCC-exception-3.1"]
    assert small.broken() == []

    small.add(f"{SITE}/demo-1.0.dist-info/METADATA", METADATA.replace("MIT", "GPL-3.0-or-later"))
    assert "licences allowed" in small.broken()
