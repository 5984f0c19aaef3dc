"""The client's type checks come later and stay the same."""

import subprocess
import sys
from typing import Any

import pytest

from wheelhouse_engine.cli.client import _deferring

pytestmark = pytest.mark.integration


def run(text: str) -> str:
    """Run Python in a process of its own, with the client imported our way."""
    lines = ["from wheelhouse_engine.cli.client import import_client", "import_client()", "import dagger"]
    head = "\n".join([*lines, "from dagger import dag", ""])
    command = [sys.executable, "-c", head + text]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(
    "text",
    [
        "dag.container().with_exec('no list')",
        "dag.container().with_exec(['a']).with_exec(1)",
        "dagger.BuildArg(name=1, value='b')",
        "dag.container().with_exec(['a'], nope=True)",
    ],
)
def test_a_wrong_argument_is_still_refused(text):
    """Every call is checked, the first one of a method and the later ones."""
    assert run(f"try:\n    {text}\nexcept TypeError:\n    print('refused')\n") == "refused\n"


def test_a_right_call_is_left_alone():
    """Chains, forward references and Self work as before."""
    text = "c = dag.container().with_exec(['a']).with_workdir('/x')\n"
    text += "print(type(c).__name__, type(c.rootfs()).__name__)"

    assert run(text) == "Container Directory\n"


def test_beartype_is_given_back():
    """Only the client's own import sees the stand-in; httpx keeps its command line."""
    assert (
        run("import beartype, httpx._main\nprint(beartype.beartype.__module__.split('.')[0])") == "beartype\n"
    )


def test_telemetry_is_loaded_when_it_is_used():
    """The client's import leaves OpenTelemetry's SDK out; what asks for it finds the real one."""
    text = "import sys\nprint('opentelemetry.sdk.trace' in sys.modules)\n"
    text += "from dagger import telemetry\ntelemetry.initialize()\n"
    text += "print('opentelemetry.sdk.trace' in sys.modules, telemetry.SERVICE_NAME)"

    assert run(text) == "False\nTrue dagger-python-sdk\n"


COUNTED = """
import asyncio
from wheelhouse_engine.cli.project import Settings, open_session
from wheelhouse_engine.session import Session

asked = []
answer = Session.answer_document

async def counting(self, document):
    asked.append(document)
    return await answer(self, document)

Session.answer_document = counting

async def main():
    kept = dag.directory().with_new_file("a", "1")
    for _ in range(2):
        async with open_session(Settings(silent=True)):
            alone = len(asked)
            names = [await dag.directory().with_directory(at, kept).entries() for at in ("x", "y", "z")]
            made = len(asked) - alone
            synced = await kept.sync()
            print(made, names[-1], await synced.id() == await kept.id(), len(asked) - alone)

asyncio.run(main())
"""


def test_an_id_is_asked_for_once_in_a_session(tmp_path, monkeypatch):
    """Three uses are four queries; what `sync` gave has its id; another session asks anew."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    assert run(COUNTED) == "4 ['z/'] True 5\n" * 2


def test_each_method_is_checked_once():
    """The first call puts the checked method in place of the stand-in."""
    made = []

    def check(method: Any) -> Any:
        made.append(method.__name__)
        return method

    def beartype(**_conf: object) -> Any:
        return check

    @_deferring(beartype)(conf=1)
    class Thing:
        """A class with two methods."""

        def one(self) -> int:
            """Be called."""
            return 1

        def two(self) -> None:
            """Never be called."""

    assert [Thing().one(), Thing().one()] == [1, 1]
    assert made == ["one"]
