"""A user's own defaults come from .env files."""

from dataclasses import replace
from pathlib import Path

import pytest

from wheelhouse_engine.cli.defaults import load_defaults
from wheelhouse_engine.cli.project import Project


@pytest.mark.parametrize(
    ("text", "function", "expected"),
    [
        ("GREETING=hi", "", {"greeting": "hi"}),
        ("greeting='hi there'", "", {"greeting": "hi there"}),
        ("GREET_NAME=you", "greet", {"name": "you"}),
        ("NUMBER_A_VALUE=4", "number", {"aValue": "4"}),
        ("GARDEN_GREET_NAME=you", "greet", {"name": "you"}),
        ("NAME=you", "greet", {}),
    ],
)
def test_names_are_folded(garden, tmp_path, text, function, expected):
    """`ARG` is the constructor's, `FUNCTION_ARG` a function's, whatever the case."""
    found = defaults_of(garden, tmp_path, text, function)

    assert list(expected.values()) == list(found.values())


def defaults_of(project: Project, folder: Path, text: str, function: str) -> dict[str, str]:
    """Read .env beside dagger.json for one function, "" for the constructor."""
    (folder / ".env").write_text(text)
    read = load_defaults(replace(project.config, root=folder), folder)
    own = project.types.own
    if not function:
        return dict(read(own.constructor(), True))
    return dict(read(next(f for f in own.object(own.main).functions if f.name == function), False))


def test_outside_the_module_names_carry_it(garden, tmp_path):
    """A .env above the working folder needs the module's name before each key."""
    module, work = tmp_path / "module", tmp_path / "work" / "deep"
    module.mkdir()
    work.mkdir(parents=True)
    (tmp_path / "work" / ".env").write_text("GARDEN_GREETING=outer\nGREETING=wrong\n")

    read = load_defaults(replace(garden.config, root=module), work)

    assert read(garden.types.own.constructor(), True) == {"greeting": "outer"}


def test_without_env_files_nothing_is_set(garden, tmp_path):
    """No .env, no defaults."""
    read = load_defaults(replace(garden.config, root=tmp_path), tmp_path)

    assert read(garden.types.own.constructor(), True) == {}
