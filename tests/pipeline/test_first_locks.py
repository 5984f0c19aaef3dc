"""From a stranger's folder to its locks and wheels, through the command line, on the embedded engine."""

import subprocess
from pathlib import Path

import pytest

from tests.pipeline.test_services import call

pytestmark = [pytest.mark.engine, pytest.mark.slow]
APP = "from http.server import HTTPServer\nif __name__ == '__main__': HTTPServer(('', 8000), None)\n"


def write(folder: Path, files: dict[str, str]) -> Path:
    """Write files below a folder and return it."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def done(result: subprocess.CompletedProcess[str]) -> str:
    """Return what a call that must succeed said."""
    assert result.returncode == 0, result.stderr
    return result.stderr


def test_a_folder_with_requirements_gets_table_lock_and_wheels_unedited(tmp_path):
    """`init`, `lock` and `wheels` in a row; the pin of requirements.txt is what is downloaded."""
    service = write(tmp_path / "in", {"requirements.txt": "idna==3.7\n", "main.py": APP})

    said = done(call(service, "init", "-o", str(service)))
    done(call(service, "lock", "-o", str(service)))
    done(call(service, "wheels", "-o", str(tmp_path / "wheels")))

    assert 'command: main.py:2: if __name__ == "__main__"' in said
    assert [path.name for path in (tmp_path / "wheels").iterdir()] == ["idna-3.7-py3-none-any.whl"]


POETRY_LOCK = '[[package]]\nname = "idna"\nversion = "3.7"\n[metadata]\nlock-version = "2.0"\n'
WORKSPACE = """\
[project]
name = "api"
version = "1"
dependencies = ["core-lib"]
[tool.uv.workspace]
members = ["libs/*"]
[tool.uv.sources]
core-lib = { workspace = true }
[tool.wheelhouse]
command = ["python", "-m", "api"]
packages = ["api", "libs/core/core_lib"]
protocol = "none"
[tool.wheelhouse.variants.cpu]
"""
MEMBER = """\
[project]
name = "core-lib"
version = "1"
dependencies = ["idna"]
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
"""


def test_a_workspace_member_is_code_and_the_lock_of_poetry_gives_the_pins(tmp_path):
    """The member's own dependency is locked at poetry's pin; the member enters by `packages`."""
    files = {
        "pyproject.toml": WORKSPACE,
        "api/__main__.py": "import core_lib",
        "libs/core/pyproject.toml": MEMBER,
        "libs/core/core_lib/__init__.py": "import idna",
        "poetry.lock": POETRY_LOCK,
    }
    service = write(tmp_path / "in", files)

    done(call(service, "lock", "-o", str(service)))
    done(call(service, "wheels", "-o", str(tmp_path / "wheels")))

    lock = (service / "requirements/cpu.txt").read_text()
    assert lock.startswith("-e ./libs/core\n")
    assert "idna==3.7 \\\n" in lock
    assert [path.name for path in (tmp_path / "wheels").iterdir()] == ["idna-3.7-py3-none-any.whl"]


def test_a_member_whose_code_stays_out_is_refused_with_the_key(tmp_path):
    """A lock that no image satisfies is not written; the sentence names `packages`."""
    text = WORKSPACE.replace(', "libs/core/core_lib"', "")
    files = {"pyproject.toml": text, "api/__main__.py": "", "libs/core/pyproject.toml": MEMBER}
    service = write(tmp_path / "in", {**files, "libs/core/core_lib/__init__.py": ""})

    result = call(service, "lock", "-o", str(service))

    assert result.returncode == 1
    assert "'-e ./libs/core' is a folder" in result.stderr
    assert "to `packages`" in result.stderr


@pytest.mark.parametrize("line", ["x @ git+https://git.test/x@1", "x @ https://files.test/x-1.tar.gz"])
def test_a_requirement_without_a_fixed_hash_is_refused_before_anything_is_asked(tmp_path, line):
    """A repository and an archive are named with the line and the way on."""
    text = WORKSPACE.replace('"core-lib"]', f'"{line}"]')
    service = write(tmp_path / "in", {"pyproject.toml": text, "api/__main__.py": ""})

    result = call(service, "lock", "-o", str(service))

    assert result.returncode == 1
    assert f"pyproject.toml: {line!r} is a" in result.stderr
    assert "Pin a release" in result.stderr or "pin a release" in result.stderr
