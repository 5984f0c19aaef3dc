"""What to do about a service that does not start fits what it did."""

import sys

import pytest

from tests.programs.verify.conftest import PROGRAMS

sys.path.insert(0, str(PROGRAMS))
from verify.advice import Ending, advice

CASES = [
    (
        Ending(written="[FATAL tini (7)] exec gunicorn failed: No such file or directory", status=127),
        "gunicorn",
    ),
    (Ending(written="PermissionError: [Errno 13] Permission denied: '/data'", status=1), "HOME"),
    (Ending(written="OSError: [Errno 30] Read-only file system: '/srv/x'", status=1), "/srv/x is read-only"),
    (
        Ending(written="[Errno 30] Read-only file system: '/srv/app/a/b.db'", status=1),
        "folder of a/b.db: a copy",
    ),
    (Ending(written="(code: 8) attempt to write a readonly database", status=1), 'writable = ["app/index"]'),
    (Ending(written="libgomp.so.1: cannot open shared object file: No such", status=1), "os_packages"),
    (Ending(written="pydantic: api_key\n  Field required [type=missing]", status=1), "[tool.wheelhouse.env]"),
    (Ending(written="FileNotFoundError: [Errno 2] No such file: 'prompts/a.md'", status=1), "`packages`"),
    (Ending(written="Loading weights", status=137), "memory"),
    (Ending(written="", status=-11), "SIGSEGV"),
    (Ending(written="", status=0), "foreground"),
    (Ending(path="/health", port=8000, answered=404, listening=[8000]), "/health is none of them"),
    (Ending(path="/ready", port=8000, answered=503, listening=[8000]), "Let /ready answer 200"),
    (Ending(path="/health", port=8000, listening=[8080]), "listens on 8080, not on 8000"),
    (
        Ending(path="/health", port=8000, written="gaierror: Name or service not known"),
        "Fetch nothing at start",
    ),
    (Ending(port=None), "health check"),
]


@pytest.mark.parametrize(("ending", "part"), CASES)
def test_the_advice_fits_the_cause(ending, part):
    """Each way to fail has its own advice, and none of them is the advice of another."""
    told = advice(ending)

    assert part in told
    assert sum(advice(other) == told for other, _ in CASES) == 1
