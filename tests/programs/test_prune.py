"""Pruning: what the rules name goes, what they spare stays, and RECORD tells the truth."""

import csv
import importlib.util
import sys
from pathlib import Path

import pytest

PROGRAMS = Path(__file__).parents[2] / "pipeline/programs"
FILES = (
    "onnxruntime/capi/libonnxruntime.so.1.31.1",
    "onnxruntime/capi/state.so",
    "onnxruntime/__init__.py",
    "numpy/tests/test_a.py",
    "numpy/_core/tests/_natype.py",
    "numpy/__init__.pyi",
    "numpy/_core/include/numpy/ndarraytypes.h",
)


@pytest.fixture
def prune(monkeypatch):
    """Load the program as its container does: beside the files it imports."""
    monkeypatch.syspath_prepend(str(PROGRAMS))
    for name in ("prune", "prune_rules", "rootfs_rules"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    spec = importlib.util.spec_from_file_location("prune", PROGRAMS / "prune.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.prune


@pytest.fixture
def site(tmp_path):
    """Make a site-packages folder of one distribution that owns FILES."""
    for name in FILES:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 10)
    info = tmp_path / "demo-1.dist-info"
    info.mkdir()
    (info / "RECORD").write_text("".join(f"{name},,10\n" for name in FILES))
    return tmp_path


def left(site: Path) -> set[str]:
    """Return the files that are still there."""
    return {str(path.relative_to(site)) for path in site.rglob("*") if path.is_file()}


def test_what_no_service_opens_is_dropped(prune, site):
    """The second runtime, tests, headers and type stubs go; the modules stay."""
    prune(site, frozenset({"symbols"}))

    assert left(site) == {
        "demo-1.dist-info/RECORD",
        "numpy/_core/tests/_natype.py",
        "onnxruntime/__init__.py",
        "onnxruntime/capi/state.so",
    }


def test_record_forgets_what_is_dropped(prune, site):
    """An inventory made from RECORD lists only files that exist."""
    prune(site, frozenset({"symbols"}))

    rows = list(csv.reader((site / "demo-1.dist-info/RECORD").read_text().splitlines()))
    assert all((site / row[0]).exists() for row in rows)


def test_the_report_counts_each_file_once(prune, site):
    """A header below a test folder is counted for the first rule alone."""
    report = prune(site, frozenset({"symbols"}))

    dropped = [path for entry in report.values() for path in entry["dropped"]]
    assert sorted(dropped) == sorted(set(dropped))
    assert report["onnxruntime-c-library"]["bytes"] == 10


def test_a_rule_is_switched_off_by_its_name(prune, site):
    """A service that needs what a rule drops keeps it."""
    prune(site, frozenset({"symbols", "onnxruntime-c-library"}))

    assert "onnxruntime/capi/libonnxruntime.so.1.31.1" in left(site)


def test_an_unknown_rule_is_refused(prune, site):
    """A misspelt rule is named, and nothing is dropped."""
    before = left(site)

    with pytest.raises(ValueError, match="keep names \\['onnxruntime'\\]"):
        prune(site, frozenset({"onnxruntime"}))
    assert left(site) == before


def test_folders_left_empty_go_too(prune, site):
    """No empty folder remains of what was dropped."""
    prune(site, frozenset({"symbols"}))

    assert not (site / "numpy/tests").exists()
