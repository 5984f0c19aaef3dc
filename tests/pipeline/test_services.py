"""Services of other shapes, through the command line, on the embedded engine."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

SERVICES = Path(__file__).parents[1] / "assets/services"
ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.engine


@pytest.fixture
def proxy(tmp_path):
    """Copy the proxy service, so that a test may break it."""
    return Path(shutil.copytree(SERVICES / "proxy", tmp_path / "proxy"))


def call(service: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `wheelhouse call` on a service."""
    command = [
        sys.executable,
        "-m",
        "wheelhouse_engine",
        "--engine=embedded",
        "call",
        "--source",
        str(service),
    ]
    return subprocess.run(
        [*command, *words], check=False, capture_output=True, text=True, cwd=ROOT, env=dict(os.environ)
    )


def edit(path: Path, old: str, new: str) -> None:
    """Replace a text that must be there."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.slow
def test_extensions_that_exist_as_source_only_are_compiled_and_load(proxy, tmp_path):
    """psycopg2 is compiled in the builder, and libpq comes into the image without being named."""
    result = call(proxy, "test", "--variant=api", "-o", str(tmp_path / "out"))

    assert result.returncode == 0, result.stderr
    suite = ET.parse(tmp_path / "out/http.xml").getroot()  # noqa: S314 - our own file
    assert suite.get("failures") == "0"


@pytest.mark.slow
def test_a_source_compiled_twice_gives_the_same_wheel(proxy, tmp_path):
    """Pip's build folder, another one each time, leaves nothing in a compiled wheel."""
    assert call(proxy, "wheels", "--variant=api", "-o", str(tmp_path / "once")).returncode == 0
    edit(proxy / "pyproject.toml", "build_packages = [", 'build_packages = ["file", ')
    assert call(proxy, "wheels", "--variant=api", "-o", str(tmp_path / "again")).returncode == 0

    [once], [again] = ((tmp_path / name).glob("psycopg2-*.whl") for name in ("once", "again"))
    assert once.read_bytes() == again.read_bytes()


@pytest.mark.slow
def test_a_package_in_src_starts_by_its_own_script_and_reads_its_data(tmp_path):
    """The command is the project's console script; data files and version are found at run time."""
    service = SERVICES / "packaged"
    tested = call(service, "test", "--variant=api", "-o", str(tmp_path / "out"))
    shown = call(service, "build", "--variant=api", "with-exec", "--args=field-notes,show", "stdout")

    assert tested.returncode == 0, tested.stderr
    assert json.loads(shown.stdout) == {"notes": ["one ant", "two bees"], "version": "1.2.3"}


@pytest.mark.slow
@pytest.mark.parametrize("lock", ["uv.lock", "pylock.toml"])
def test_a_service_locked_by_its_own_tool_builds_starts_and_answers(tmp_path, lock):
    """uv.lock and pylock.toml (PEP 751) are read as they are; neither is kept in this repository."""
    service = Path(shutil.copytree(SERVICES / "packaged", tmp_path / "service"))
    shutil.rmtree(service / "requirements")
    # The machine that locks may have an older Python than the image.
    edit(service / "pyproject.toml", '">=3.13"', '">=3.11"')
    uv = [str(Path(sys.executable).with_name("uv"))]
    subprocess.run([*uv, "lock", "--quiet", "--python", sys.executable], check=True, cwd=service)
    if lock == "pylock.toml":
        export = ["export", "--quiet", "--frozen", "--no-emit-project", "--format=pylock.toml", "-o", lock]
        subprocess.run([*uv, *export], check=True, cwd=service, stdout=subprocess.DEVNULL)
        (service / "uv.lock").unlink()

    result = call(service, "test", "--variant=api", "-o", str(tmp_path / "out"))

    assert result.returncode == 0, result.stderr
    assert ET.parse(tmp_path / "out/http.xml").getroot().get("failures") == "0"  # noqa: S314 - our own file


def test_a_stale_lock_stops_with_found_expected_do(proxy):
    """A requirement that is declared and not locked is named before anything is made."""
    edit(proxy / "pyproject.toml", '"structlog"]', '"structlog", "fastapi>=1"]')

    result = call(proxy, "build", "--variant=api")

    assert result.returncode == 1
    assert "requirements/api.txt: fastapi not locked, fastapi>=1 required" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_missing_lock_names_what_is_looked_for(proxy):
    """Without any lock the error lists the files that would do."""
    (proxy / "requirements/api.txt").unlink()

    assert (
        "no lock for variant 'api'; expected requirements/api.txt"
        in call(proxy, "wheels", "--variant=api").stderr
    )


def test_a_wheel_that_differs_from_its_hash_is_refused(proxy):
    """A hash of the lock that no file of the index has stops the wheels stage and names the pin."""
    lock = proxy / "requirements/api.txt"
    lines = lock.read_text().splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("redis=="))
    lines[start + 1 : start + 3] = ["    --hash=sha256:" + "0" * 64]
    lock.write_text("\n".join(lines))

    result = call(proxy, "wheels", "--variant=api", "entries")

    assert result.returncode == 1
    assert "THESE PACKAGES DO NOT MATCH THE HASHES" in result.stderr
    assert "redis==" in result.stderr


def test_a_variant_that_is_not_declared_lists_those_that_are(proxy):
    """The service decides which images there are."""
    assert "variants.gpu] is absent; expected one of api" in call(proxy, "build", "--variant=gpu").stderr


def test_a_wrong_key_is_told_the_near_one(proxy):
    """A misspelt key of [tool.wheelhouse] is an error with the key that was meant."""
    edit(proxy / "pyproject.toml", "build_packages", "build_package")

    result = call(proxy, "build", "--variant=api")

    assert "unknown key 'variants.api.build_package', did you mean 'build_packages'" in result.stderr


@pytest.mark.slow
def test_a_source_that_does_not_compile_shows_why(proxy):
    """Without the -dev package psycopg2's own message reaches the user, and nothing is made."""
    edit(proxy / "pyproject.toml", 'build_packages = ["libpq-dev"]', "")

    result = call(proxy, "wheels", "--variant=api", "entries")

    assert result.returncode != 0
    assert "pg_config executable not found" in result.stderr
