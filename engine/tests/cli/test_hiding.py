"""What a module does not see here, because it does not see it on a Dagger engine."""

import subprocess

import pytest

from .conftest import MODULES, PROGRAM

pytestmark = pytest.mark.engine


def program(*words: str) -> subprocess.CompletedProcess[str]:
    """Run the program in the module's folder."""
    return subprocess.run(
        [*PROGRAM, *words], cwd=MODULES / "nosy", capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("function", "field"),
    [("engine-name", "engine"), ("host-entries", "host"), ("reloaded", "load_host_from_id")],
)
def test_a_module_has_no_host_and_no_engine(function: str, field: str) -> None:
    """Its client has no such field: the same AttributeError as on a Dagger engine."""
    ran = program("call", function)

    assert ran.returncode == 1
    assert f"'Client' object has no attribute '{field}'" in ran.stderr


def test_a_module_has_no_types_of_them() -> None:
    """The types are missing from the client, the others are there."""
    assert program("call", "types").stdout == "Directory\n"


SCRIPT = """
import anyio, dagger

async def main():
    async with dagger.connection():
        print(await dagger.dag.engine().name(), len(await dagger.dag.host().directory(".").entries()))

anyio.run(main)
"""


def test_a_plain_client_sees_both() -> None:
    """`wheelhouse run` lends the session to a client that is no module."""
    ran = program("run", "python", "-c", SCRIPT)

    assert ran.stdout == "wheelhouse embedded 2\n", ran.stderr
