"""Broken twins of a service that builds: each stops with the error that names the cause."""

import shutil
import zipfile
from pathlib import Path

import pytest

from tests.pipeline.test_services import call
from tests.pipeline.wheel_index import add_source, add_wheel, pin, serving, shared_object

pytestmark = [pytest.mark.engine, pytest.mark.slow]

SERVICE = """\
[project]
name = "twin"
requires-python = ">=3.13"
dependencies = ["{package}"]

[[tool.uv.index]]
name = "ours"
url = "{index}"

[tool.wheelhouse]
command = ["python", "-m", "twin"]
packages = ["twin"]
port = 8080

[tool.wheelhouse.variants.api]
{variant}
"""
BACKEND = """\
import subprocess
def build_wheel(folder, settings=None, metadata=None):
    subprocess.run(["gcc", "-c", "crooked.c"], check=True)
"""
TUNABLE = """\
import os, zipfile
def build_wheel(folder, settings=None, metadata=None):
    name = "tunable-1.0-py3-none-any.whl"
    info = "tunable-1.0.dist-info"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as wheel:
        wheel.writestr("tunable/__init__.py", "")
        wheel.writestr("tunable/mode.txt", f"{os.environ['MODE']} {settings}")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\\nName: tunable\\nVersion: 1.0\\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(f"{info}/RECORD", "")
    return name
"""
PYPROJECT = "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n"


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    """Serve one package for each way to be broken."""
    folder = tmp_path_factory.mktemp("index")
    add_wheel(
        folder,
        "eager",
        package={"__init__.py": "import eager.tests.kit\n", "tests/__init__.py": "", "tests/kit.py": ""},
    )
    add_wheel(folder, "elsewhere", tag="cp39-cp39-linux_x86_64")
    add_source(
        folder, "crooked", {"pyproject.toml": PYPROJECT, "backend.py": BACKEND, "crooked.c": "int f( {\n"}
    )
    add_source(folder, "tunable", {"pyproject.toml": PYPROJECT, "backend.py": TUNABLE})
    add_wheel(folder, "tunable")
    if shutil.which("gcc"):
        library = shared_object(tmp_path_factory.mktemp("gcc"), "libpq.so.5")
        add_wheel(folder, "linked", tag="py3-none-linux_x86_64", package={"_native.so": library})
    with serving(folder) as address:
        yield folder, address


def twin(folder: Path, index: tuple[Path, str], package: str, variant: str = "") -> Path:
    """Write a service that needs one package of the index."""
    packages, address = index
    (folder / "twin").mkdir()
    (folder / "requirements").mkdir()
    (folder / "twin/__main__.py").write_text(f"import {package}\n")
    (folder / "requirements/api.txt").write_text(pin(packages, package))
    text = SERVICE.format(package=package, index=address, variant=variant)
    (folder / "pyproject.toml").write_text(text)
    return folder


def failure(service: Path) -> str:
    """Return what a build that must fail says on stderr."""
    result = call(service, "build", "--variant=api", "sync")
    assert result.returncode != 0
    return result.stderr


def test_a_package_that_imports_its_own_tests_builds(tmp_path, index):
    """What a prune rule would break stays by itself, and the service needs no key."""
    result = call(twin(tmp_path, index, "eager"), "build", "--variant=api", "sync")

    assert result.returncode == 0, result.stderr


@pytest.mark.skipif(not shutil.which("gcc"), reason="no compiler here to make a library with")
def test_a_missing_library_is_named_with_wheel_and_debian_package(tmp_path, index):
    """Who needs it, what it is, and where to get it."""
    said = failure(twin(tmp_path, index, "linked"))

    assert (
        "wheel linked 1.0: _native.so needs libpq.so.5, which neither the image nor the builder has" in said
    )
    assert "by its name libpq5. Add it to os_packages." in said


@pytest.mark.skipif(not shutil.which("gcc"), reason="no compiler here to make a library with")
def test_the_library_comes_with_its_debian_package(tmp_path, index):
    """The advice of the error is right."""
    service = twin(tmp_path, index, "linked", 'os_packages = ["libpq5"]')

    result = call(
        service, "build", "--variant=api", "directory", "--path=/usr/lib/x86_64-linux-gnu", "entries"
    )

    assert "libpq.so.5" in result.stdout.split()


def test_a_wheel_for_another_python_is_told_as_such(tmp_path, index):
    """The error lists what the index has, and for which Python it was wanted."""
    said = failure(twin(tmp_path, index, "elsewhere"))

    assert "elsewhere==1.0: no wheel for Python 3.13 on x86_64 and no source" in said
    assert "found elsewhere-1.0-cp39-cp39-linux_x86_64.whl" in said


def test_a_version_that_no_index_has_is_told_with_the_indexes(tmp_path, index):
    """A lock of another index's builds names the indexes that were asked."""
    service = twin(tmp_path, index, "elsewhere")
    lock = service / "requirements/api.txt"
    lock.write_text(lock.read_text().replace("1.0", "1.0+cpu"))

    said = failure(service)

    assert f"elsewhere==1.0+cpu: no file of this version on the default index and {index[1]};" in said


def test_a_source_that_does_not_compile_is_named_with_the_compilers_words(tmp_path, index):
    """The pin, the compiler's line, and what to do."""
    said = failure(twin(tmp_path, index, "crooked"))

    assert "crooked.c:1:" in said
    assert "crooked==1.0: its source does not compile" in said


def test_a_distribution_is_compiled_with_the_environment_of_its_table(tmp_path, index):
    """The table brings its variable and its setting to the backend, although the index has a wheel."""
    service = twin(tmp_path, index, "tunable")
    pyproject = service / "pyproject.toml"
    table = '\n[tool.wheelhouse.build.Tunable]\nenv = { MODE = "fast" }\nconfig_settings = { level = "3" }\n'
    pyproject.write_text(pyproject.read_text() + table)

    result = call(service, "wheels", "--variant=api", "-o", str(tmp_path / "wheels"))

    assert result.returncode == 0, result.stderr
    with zipfile.ZipFile(next((tmp_path / "wheels").glob("tunable-*.whl"))) as wheel:
        assert wheel.read("tunable/mode.txt") == b"fast {'level': '3'}"


def test_a_wheel_swapped_on_the_index_after_the_lock_is_refused(tmp_path):
    """Other bytes under the locked name and version never reach an image, a list or a scan."""
    packages, service = tmp_path / "index", tmp_path / "service"
    packages.mkdir()
    service.mkdir()
    add_wheel(packages, "steady")
    with serving(packages) as address:
        twin(service, (packages, address), "steady")
        add_wheel(packages, "steady", package={"__init__.py": "import os\n"})
        result = call(service, "scan", "--variant=api", "--offline", "-o", str(tmp_path / "scan"))

    assert result.returncode == 1
    assert "THESE PACKAGES DO NOT MATCH THE HASHES" in result.stderr
    assert "steady==1.0" in result.stderr
    assert not (tmp_path / "scan").exists()
