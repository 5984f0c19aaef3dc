"""Give the model programs an interpreter with their own pinned packages, a hub, and small models."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
sys.path[:0] = [str(ROOT / "pipeline" / "programs"), str(ROOT)]

from tests.programs.models.hub_server import HubServer, serve  # noqa: E402 - found through the line above
from tests.programs.models.interpreter import PROGRAMS, Programs  # noqa: E402
from tests.programs.models.tiny_model import COMMIT, Fetch, Lock  # noqa: E402


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Programs:
    """Install what a builder installs, by hash, into an environment of its own."""
    home = tmp_path_factory.mktemp("programs")
    uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
    subprocess.run([uv, "venv", "--quiet", "--seed", "--python", sys.executable, home / "venv"], check=True)
    python = home / "venv" / "bin" / "python"
    for name in ("fetch", "export"):
        lock = PROGRAMS / "models" / f"{name}-requirements.txt"
        install = [
            uv,
            "pip",
            "install",
            "--quiet",
            "--python",
            str(python),
            "--require-hashes",
            "-r",
            str(lock),
        ]
        subprocess.run(install, check=True)
    return Programs(python)


@pytest.fixture
def hub() -> Iterator[HubServer]:
    """Serve the hub's HTTP interface on loopback."""
    with serve(COMMIT) as server:
        yield server


@pytest.fixture(autouse=True)
def no_ambient_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the developer's own token and endpoint out of every test."""
    for key in ("HF_TOKEN", "HF_TOKEN_PATH", "HF_ENDPOINT"):
        monkeypatch.delenv(key, raising=False)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")


@pytest.fixture
def lock(tmp_path: Path) -> Lock:
    """Offer a models.lock to write."""
    return Lock(tmp_path / "models.lock")


@pytest.fixture
def fetch(tmp_path: Path) -> Fetch:
    """Run models.fetch for the model tiny with quick retries; returns the exit status."""
    from models.fetch import main  # noqa: PLC0415 - the path is set above

    def call(lock: Path, *more: object) -> int:
        quick = ["--back-off", "0.01", "--stall", "0.5"]
        where = ["--lock", lock, "--model", "tiny", "--out", tmp_path / "out"]
        return main([*map(str, where), *quick, *map(str, more)])

    return call
