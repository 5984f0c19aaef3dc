"""Users of torch: the index that their project names for it decides lock, wheels and errors."""

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.pipeline.test_services import call
from tests.pipeline.wheel_index import add_wheel, serving

pytestmark = [pytest.mark.engine, pytest.mark.slow]

PYPROJECT = """\
[project]
name = "dream"
version = "1"
requires-python = ">=3.13"
dependencies = ["torch"]

[tool.uv.sources]
torch = {{ index = "cpu-builds" }}

[[tool.uv.index]]
name = "cpu-builds"
url = "{index}"
explicit = true

[tool.wheelhouse]
command = ["python", "-m", "dream"]
packages = ["dream"]
port = 8080

[tool.wheelhouse.variants.api]
"""
SERVICE = """\
import http.server, torch
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/health" else 404)
        self.end_headers()
        self.wfile.write(torch.__version__.encode())
http.server.ThreadingHTTPServer(("", 8080), Answer).serve_forever()
"""


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    """Serve a small package that calls itself torch, built for the processor."""
    folder = tmp_path_factory.mktemp("index")
    text = "__version__ = '2.9.0+cpu'\n"
    add_wheel(folder, "torch", "2.9.0+cpu", "cp313-cp313-linux_x86_64", {"__init__.py": text})
    with serving(folder) as address:
        yield address


@pytest.fixture(scope="module")
def locked(tmp_path_factory, index):
    """Write a service that imports torch, and lock it."""
    service = tmp_path_factory.mktemp("locked")
    (service / "dream").mkdir()
    (service / "dream/__main__.py").write_text(SERVICE)
    (service / "pyproject.toml").write_text(PYPROJECT.format(index=index))
    result = call(service, "lock", "-o", str(service))
    assert result.returncode == 0, result.stderr
    return service


@pytest.fixture
def dream(locked, tmp_path):
    """Copy the locked service, so that a test may break it."""
    return Path(shutil.copytree(locked, tmp_path / "dream"))


def test_the_lock_has_the_build_of_the_projects_own_index(dream):
    """The pin is the index's, and the lock names no host."""
    lock = (dream / "requirements/api.txt").read_text()

    assert lock.startswith("torch==2.9.0+cpu")
    assert "://" not in lock


def test_the_service_builds_starts_and_answers_with_that_build(dream, tmp_path):
    """The wheel comes from there by its hash."""
    result = call(dream, "test", "--variant=api", "-o", str(tmp_path / "out"))

    assert result.returncode == 0, result.stderr
    facts = json.loads((tmp_path / "out/outcome.json").read_text())
    assert {run["name"]: run["exit_code"] for run in facts["runs"]}["http"] == 0


def test_without_the_index_the_error_names_the_build_and_who_was_asked(dream):
    """A project that lost its index is not told that torch does not compile."""
    text = (dream / "pyproject.toml").read_text()
    start, end = text.index("[tool.uv.sources]"), text.index("[tool.wheelhouse]")
    (dream / "pyproject.toml").write_text(text[:start] + text[end:])

    said = call(dream, "wheels", "--variant=api", "entries").stderr

    assert "torch==2.9.0+cpu: no file of this version on the default index;" in said
    assert "[[tool.uv.index]]" in said


def test_other_bytes_under_the_same_name_are_refused(dream):
    """The index is trusted for nothing but the bytes that the lock knows."""
    lock = dream / "requirements/api.txt"
    lock.write_text(re.sub("sha256:.{4}", "sha256:0000", lock.read_text()))

    said = call(dream, "wheels", "--variant=api", "entries").stderr

    assert "THESE PACKAGES DO NOT MATCH THE HASHES" in said
