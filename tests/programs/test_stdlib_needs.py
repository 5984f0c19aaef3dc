"""Modules of the standard library that a rule drops stay where something imports them."""

import sys
from pathlib import Path

import pytest

PROGRAMS = Path(__file__).parents[2] / "pipeline/programs"


@pytest.fixture
def needed_modules(monkeypatch):
    """Load the program as its container does: next to the files it imports."""
    monkeypatch.syspath_prepend(str(PROGRAMS))
    for name in ("imports", "site_files", "stdlib_needs"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return __import__("stdlib_needs").needed_modules


def below(folder: str):
    """Return a rule that drops one folder of the standard library."""
    return lambda path: f"/{folder}/" in str(path)


USES = {
    "at import": "import wsgiref.simple_server\n",
    "inside a function": "def serve():\n    from wsgiref import simple_server\n",
}


@pytest.mark.parametrize("text", USES.values(), ids=USES)
def test_a_module_that_a_wheel_imports_stays(needed_modules, tmp_path, text):
    """The module stays with what it imports, whatever the rule; its neighbours go."""
    (tmp_path / "demo.py").write_text(text)

    found = needed_modules(tmp_path, below("wsgiref"))

    names = {path.name for path in found}
    assert {"__init__.py", "simple_server.py", "handlers.py"} <= names
    assert "validate.py" not in names
    assert f"{tmp_path}/demo.py imports wsgiref.simple_server" in found.values()


def test_an_import_that_may_fail_keeps_nothing(needed_modules, tmp_path):
    """Code that catches the failure has another way."""
    (tmp_path / "demo.py").write_text("try:\n    import wsgiref\nexcept ImportError:\n    wsgiref = None\n")

    assert not needed_modules(tmp_path, below("wsgiref"))


def test_a_module_that_the_rest_of_the_library_imports_stays(needed_modules):
    """A rule cannot break a module that it does not drop."""
    found = needed_modules(None, lambda path: path.name == "token.py")

    assert [path.name for path in found] == ["token.py"]


def test_a_module_that_cannot_be_imported_here_is_not_kept(needed_modules, tmp_path, monkeypatch):
    """The library of tkinter is in no slim image: keeping its modules would help nobody."""
    (tmp_path / "demo.py").write_text("import wsgiref\n")
    monkeypatch.setattr(sys, "executable", "/bin/false")

    assert not needed_modules(tmp_path, below("wsgiref"))
