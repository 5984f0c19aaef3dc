"""`wheelhouse run`: which programs the lent environment finds."""

import os
import sys
from pathlib import Path

from wheelhouse_engine.cli.running import with_own_programs

OWN = str(Path(sys.executable).parent)


def test_python_is_the_one_that_has_the_client():
    """Without an activated environment, `python` is the one that runs this program."""
    assert with_own_programs({"PATH": "/usr/bin"})["PATH"] == os.pathsep.join([OWN, "/usr/bin"])


def test_an_activated_environment_stays_first():
    """The environment that the caller has activated keeps its place."""
    given = {"PATH": "/theirs/bin", "VIRTUAL_ENV": "/theirs"}

    assert with_own_programs(given)["PATH"] == os.pathsep.join(["/theirs/bin", OWN])
