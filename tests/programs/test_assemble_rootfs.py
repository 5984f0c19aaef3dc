"""The upper layer of a root: what the lower one lacks, and nothing twice."""

import subprocess
from pathlib import Path

import pytest

from tests.programs.interpreters import PROGRAMS, interpreter

pytestmark = pytest.mark.integration

BEYOND = """
import sys, sysconfig
from pathlib import Path
from types import SimpleNamespace
from assemble_rootfs import write_beyond
below, root = Path(sys.argv[1]), Path(sys.argv[2])
module = Path(sysconfig.get_path("stdlib"), "wave.py")
lower = below / str(module).lstrip("/")
lower.parent.mkdir(parents=True)
for name in sys.argv[3:]:
    lower.with_name(name).write_text("")
write_beyond(SimpleNamespace(paths={module}, needed={module}, names=set(), keep=frozenset()), below, root)
print(*[path.name for path in root.rglob("*") if path.is_file()])
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create an interpreter with the tools of the builder."""
    return interpreter(tmp_path_factory.mktemp("tools"), PROGRAMS / "tools.txt")


@pytest.mark.parametrize(
    ("lower", "upper"), [(["wave.pyc"], ""), (["wave.py"], ""), ([], "wave.pyc"), (["other.pyc"], "wave.pyc")]
)
def test_a_module_is_in_one_layer(python: Path, tmp_path: Path, lower: list[str], upper: str) -> None:
    """A needed module is written, as bytecode, only where the lower layer has it in neither form."""
    (tmp_path / "root").mkdir()
    command = [str(python), "-c", BEYOND, str(tmp_path / "below"), str(tmp_path / "root"), *lower]
    done = subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(PROGRAMS), "PYTHONHASHSEED": "0"},
    )

    assert done.stdout.strip() == upper, done.stderr
