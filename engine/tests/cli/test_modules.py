"""Any Python Dagger module is imported into this process, or refused with a reason."""

import shutil
import sys
from pathlib import Path

import pytest

from wheelhouse_engine.cli.environment import read_config
from wheelhouse_engine.cli.failures import ModuleLoadError
from wheelhouse_engine.cli.modules import load_main_object

from .conftest import MODULES

pytestmark = pytest.mark.usefixtures("fresh_import")


def load(name: str) -> type:
    """Load one of the asset modules."""
    return load_main_object(read_config(MODULES / name))


def test_a_module_without_pyproject_is_main_py():
    """`main.py` with the PascalCase class is enough."""
    assert load("plain").__name__ == "PlainOne"


def test_a_missing_dependency_is_named():
    """An import that fails inside the module names the package to install."""
    with pytest.raises(ModuleLoadError, match="needs the package no_such_package_anywhere"):
        load("broken_import")


def test_a_misspelt_class_is_suggested():
    """A class that nearly has the right name is suggested."""
    with pytest.raises(ModuleLoadError, match=r"no class Right .*found: Rigth.*did you mean Rigth"):
        load("wrong_class")


def test_a_syntax_error_names_file_and_line(tmp_path):
    """A module that cannot be parsed says where."""
    shutil.copytree(MODULES / "plain", tmp_path / "m")
    (tmp_path / "m" / "main.py").write_text("x = 1\ndef broken(:\n")

    with pytest.raises(ModuleLoadError, match=r"main\.py:2: SyntaxError"):
        load_main_object(read_config(tmp_path / "m"))


def test_bytecode_stays_out_of_the_modules_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call leaves the source as it was; bytecode is kept elsewhere and used the next time."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(sys, "path_hooks", [*sys.path_hooks])
    shutil.copytree(MODULES / "plain", tmp_path / "m", ignore=shutil.ignore_patterns("__pycache__"))
    before = sorted(tmp_path.rglob("*"))
    load_main_object(read_config(tmp_path / "m"), tmp_path / "kept")

    assert [path for path in sorted((tmp_path / "m").rglob("*")) if path not in before] == []
    assert list((tmp_path / "kept").rglob("main.*.pyc"))
