"""Plugin of pytest: `--engine=dagger` asks the Dagger engine that answers, else it is the embedded one."""

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Final

import pytest

VARIABLE: Final = "WHEELHOUSE_TEST_ENGINE"
"""Set from the option, so that processes side by side know it, too."""
WHEELHOUSE: Final = Path(sys.executable).with_name("wheelhouse")
ANSWER_TIMEOUT_S: Final = 600
"""A first call may pull the engine's image."""


def engine() -> str:
    """Return `embedded` or `dagger`."""
    return os.environ.get(VARIABLE, "embedded")


def wheelhouse(*words: str) -> list[str]:
    """Return the command line of `wheelhouse`, which becomes `dagger` where Dagger is asked."""
    return [str(WHEELHOUSE), f"--engine={engine()}", *words]


@cache
def silence() -> str:
    """Return why no Dagger engine answers; "" where one does."""
    program = shutil.which("dagger")
    if program is None:
        return "no `dagger` on PATH"
    try:
        asked = subprocess.run(
            [program, "--silent", "query"],
            input="{version}",
            capture_output=True,
            text=True,
            timeout=ANSWER_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"no Dagger engine answered {program} in {ANSWER_TIMEOUT_S} s"
    return (
        "" if asked.returncode == 0 else f"no Dagger engine answers {program}: {asked.stderr.strip()[-300:]}"
    )


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--engine`."""
    parser.addoption(
        "--engine", choices=["embedded", "dagger"], default="embedded", help="which engine is asked"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Pass the choice on to every helper and process."""
    os.environ[VARIABLE] = config.getoption("--engine")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip everything with the reason where Dagger is asked and none answers."""
    if engine() == "dagger" and (reason := silence()):
        for item in items:
            item.add_marker(pytest.mark.skip(reason=reason))
