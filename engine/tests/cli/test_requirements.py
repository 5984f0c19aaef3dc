"""What a module declares is installed for it, once, and nothing that is there already."""

import os
import subprocess
import zipfile
from pathlib import Path

import pytest

from wheelhouse_engine.cli.environment import read_config
from wheelhouse_engine.cli.failures import ModuleLoadError
from wheelhouse_engine.cli.requirements import environment_of, unmet

from .conftest import PROGRAM

MODULE = """
import probe_of_a_module
from dagger import function, object_type


@object_type
class Needs:
    @function
    def told(self) -> str:
        return probe_of_a_module.WORD
"""


@pytest.fixture
def index(tmp_path: Path) -> str:
    """Give an index that has one package in one version."""
    page = tmp_path / "index/probe-of-a-module"
    page.mkdir(parents=True)
    wheel = "probe_of_a_module-1-py3-none-any.whl"
    with zipfile.ZipFile(page / wheel, "w") as archive:
        archive.writestr("probe_of_a_module.py", "WORD = 'installed for it'\n")
        info = "probe_of_a_module-1.dist-info"
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: probe-of-a-module\nVersion: 1\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    (page / "index.html").write_text(f'<a href="{wheel}">{wheel}</a>')
    return (tmp_path / "index").as_uri()


@pytest.fixture
def module(tmp_path: Path) -> Path:
    """Give a module with a package that this Python does not have."""
    folder = tmp_path / "module"
    folder.mkdir()
    (folder / "dagger.json").write_text('{"name": "needs", "sdk": "python"}')
    (folder / "main.py").write_text(MODULE)
    (folder / "pyproject.toml").write_text(
        '[project]\nname = "needs"\nversion = "0"\n'
        'dependencies = ["dagger-io", "httpx", "probe-of-a-module==1"]\n'
        '[project.entry-points."dagger.mod"]\nmain_object = "main:Needs"\n'
    )
    return folder


def test_a_package_that_a_module_declares_is_there_when_it_runs(tmp_path, index, module):
    """It is installed in the store, for this module only, and a second call installs nothing."""
    environ = {**os.environ, "WHEELHOUSE_STORE": str(tmp_path / "store"), "UV_DEFAULT_INDEX": index}
    command = [*PROGRAM, "call", "-m", str(module), "told"]

    first, second = [
        subprocess.run(command, env=environ, capture_output=True, text=True, check=False) for _ in range(2)
    ]

    assert (first.stdout, second.stdout) == ("installed for it", "installed for it"), first.stderr
    assert "installing what needs needs: probe-of-a-module==1\n" in first.stderr
    assert "installing" not in second.stderr
    [kept] = (tmp_path / "store/v1/modules").glob("env-*")
    assert not list(kept.glob("dagger*"))
    assert not list(kept.glob("httpx*"))


def test_a_package_next_to_a_module_is_installed_from_there(tmp_path, module):
    """`[tool.uv.sources]` names its folder, which stays as it is; an edit of it is seen."""
    package = tmp_path / "probe"
    package.mkdir()
    (package / "probe_of_a_module.py").write_text("WORD = 'from a folder'\n")
    (package / "setup.py").write_text(
        "from setuptools import setup\n\n"
        "setup(name='probe-of-a-module', version='1', py_modules=['probe_of_a_module'])\n"
    )
    with (module / "pyproject.toml").open("a") as text:
        text.write('[tool.uv.sources]\nprobe-of-a-module = { path = "../probe", editable = true }\n')
    environ = {**os.environ, "WHEELHOUSE_STORE": str(tmp_path / "store")}
    command = [*PROGRAM, "--silent", "call", "-m", str(module), "told"]

    said = []
    for word in ("from a folder", "edited"):
        (package / "probe_of_a_module.py").write_text(f"WORD = {word!r}\n")
        ran = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
        said.append(ran.stdout or ran.stderr)

    assert said == ["from a folder", "edited"]
    assert sorted(path.name for path in package.iterdir()) == ["probe_of_a_module.py", "setup.py"]


def test_a_package_that_cannot_be_installed_is_named(tmp_path, index, module):
    """The installer's own words, and nothing is left that looks like an environment."""
    text = (module / "pyproject.toml").read_text()
    (module / "pyproject.toml").write_text(text.replace("==1", "==2"))
    environ = {**os.environ, "WHEELHOUSE_STORE": str(tmp_path / "store"), "UV_DEFAULT_INDEX": index}

    with pytest.raises(ModuleLoadError, match="probe-of-a-module==2 cannot be installed for needs"):
        environment_of(read_config(module), environ)

    assert list((tmp_path / "store/v1/modules").iterdir()) == []


def test_only_what_is_missing_counts():
    """Versions, markers and the client are looked at; what is met is not installed again."""
    declared = ["dagger-io>=99", "pydantic>=2", "Pydantic<1", "nothing; python_version < '3'", "no-such>=1"]

    assert unmet(declared) == ["Pydantic<1", "no-such>=1"]
    with pytest.raises(ModuleLoadError, match="not a valid requirement specifier"):
        unmet(["a b"])
