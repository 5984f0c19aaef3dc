"""The daily part of the corpus: a few packages, pruned, imported module by module and called."""

import os
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.corpus.__main__ import measure, report
from tests.corpus.groups import Group, listed
from tests.corpus.roots import Bases

MOST_NEEDED = 120
"""Packages that the whole corpus has at least."""


def result(**changes: object) -> dict[str, Any]:
    """Return the result of a group of one package that works."""
    works = {"group": "g", "packages": ["demo"], "refused": [], "modules": 3, "bytes": [2, 1]}
    return {**works, "broken modules": {}, "broken calls": {}, "not working unpruned": {}, **changes}


def test_the_corpus_has_enough_packages():
    """Every package is listed once, with a call that compiles."""
    names = [name for calls in listed().values() for name in calls]

    assert len(names) == len(set(names)) >= MOST_NEEDED
    for calls in listed().values():
        for name, code in calls.items():
            compile(code, name, "exec")


BROKEN = {
    "a call": {"broken calls": {"demo": "exit 1"}},
    "a module": {"broken modules": {"demo.a": ["demo", "ImportError"]}},
    "a refused wheel": {"refused": ["refused wheel demo"]},
}


@pytest.mark.parametrize("changes", BROKEN.values(), ids=BROKEN)
def test_what_pruning_breaks_is_a_failure(capsys, changes):
    """The report names it and fails."""
    assert report([result(), result(**changes)]) == 1
    assert "demo" in capsys.readouterr().out


def test_what_does_not_work_unpruned_is_not_counted(capsys):
    """A package that needs more than the base image is named apart from N of M."""
    assert report([result(), result(**{"not working unpruned": {"demo": "no library"}})]) == 0
    assert "1 of 1 packages that work unpruned work pruned" in capsys.readouterr().out


def test_modules_that_disturb_each_other_are_not_broken_by_pruning(tmp_path):
    """A module that fails after another one is imported is compared in the same company."""
    site = tmp_path / "venv/lib/python3.13/site-packages"
    (site / "demo-1.dist-info").mkdir(parents=True)
    (site / "demo-1.dist-info/METADATA").write_text("Name: demo\nVersion: 1\n")
    names = ("first", "second", "taken")
    (site / "demo-1.dist-info/RECORD").write_text("".join(f"{name}.py,,\n" for name in names))

    def imports(root: str, only: tuple[str, ...] = ()) -> dict[str, str]:
        company = only or names
        errors = {"second": "TypeError: duplicate"} if "first" in company else {}
        errors |= {"taken": "ImportError"} if root == "pruned" else {}
        return {name: errors.get(name, "") for name in company}

    nothing = dict.fromkeys(("download", "install"), lambda: None)
    texts = dict.fromkeys(("check", "prune"), lambda: "")
    group: Any = SimpleNamespace(
        **nothing,
        **texts,
        name="g",
        calls={},
        venv=tmp_path / "venv",
        unpruned="whole",
        assemble=lambda: "pruned",
        called=lambda *_: {},
        imports=imports,
    )

    assert list(measure(group)["broken modules"]) == ["taken"]


@pytest.mark.engine
@pytest.mark.slow
def test_the_daily_packages_work_pruned(tmp_path):
    """Nothing that imports or works unpruned is broken, and no wheel is refused."""
    if os.geteuid():
        pytest.skip("the corpus mounts root filesystems, which needs root")
    bases = Bases(tmp_path / "bases")
    bases.make()
    calls = tomllib.loads(Path(__file__).with_name("daily.toml").read_text())
    group = Group("daily", calls, bases, tmp_path / "daily")
    try:
        group.download()
    except RuntimeError as error:
        pytest.skip(f"no package index answers here: {error}")

    found = measure(group)

    assert (found["broken modules"], found["broken calls"], found["refused"]) == ({}, {}, [])
    assert found["not working unpruned"] == {}
    assert int(found["modules"]) > 500
