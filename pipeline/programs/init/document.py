"""Write the new pyproject.toml: what it says already stays as it is."""

from collections.abc import Iterable
from typing import Any, Final

import tomlkit
from tomlkit.items import Array, Table

from init.facts import Guess, Project

ORDER: Final = (
    "python",
    "command",
    "packages",
    "tests",
    "protocol",
    "port",
    "health",
    "ready",
    "shell",
    "env",
)
WIDE: Final = 70


def new_document(before: str, project: Project, guesses: Iterable[Guess], variant: str) -> str:
    """Return the text of pyproject.toml with `[project]` and `[tool.wheelhouse]`.

    Args:
        before: the text of the file, "" where there is none.
        project: what `[project]` says.
        guesses: the keys of `[tool.wheelhouse]`; none: the table stays as it is.
        variant: the variant that is declared.

    """
    document = tomlkit.parse(before)
    if not project.complete:
        document["project"] = _project(project)
        if project.tests:
            document.setdefault("dependency-groups", tomlkit.table())["test"] = _array(project.tests)
        if project.indexes:
            uv = document.setdefault("tool", tomlkit.table(is_super_table=True)).setdefault(
                "uv", tomlkit.table()
            )
            uv["index"] = _indexes(project.indexes)
    if keys := {guess.key: guess for guess in guesses if guess.key and guess.value is not None}:
        tool = document.setdefault("tool", tomlkit.table(is_super_table=True))
        tool.pop("wheelhouse", None)
        tool["wheelhouse"] = _service(keys, variant)
    return tomlkit.dumps(document)


def _project(project: Project) -> Table:
    table = tomlkit.table()
    table["name"] = project.name
    table["version"] = project.version or "0"
    if project.description:
        table["description"] = project.description
    if project.requires_python:
        table["requires-python"] = project.requires_python
    table["dependencies"] = _array(project.dependencies, wide=False)
    for key, value in project.tables.items():
        table[key] = value
    return table


def _service(keys: dict[str, Guess], variant: str) -> Table:
    table = tomlkit.table()
    for key in ORDER:
        if key in keys:
            _put(table, key, keys[key])
    own = tomlkit.table()
    prefix = f"variants.{variant}."
    for key, guess in keys.items():
        if key.startswith(prefix):
            _put(own, key.removeprefix(prefix), guess)
    variants = tomlkit.table(is_super_table=True)
    variants[variant] = own
    table["variants"] = variants
    return table


def _put(table: Table, key: str, guess: Guess) -> None:
    value = guess.value
    item = _array(value) if isinstance(value, list) else tomlkit.item(value)
    if isinstance(value, dict):
        item = tomlkit.inline_table()
        item.update(value)
    if reason := " ".join(guess.reason.split()):
        item.comment(reason)
    table[key] = item


def _array(values: list[str], *, wide: bool = True) -> Array:
    array = tomlkit.array()
    array.extend(values)
    lengths = sum(len(value) + 4 for value in values)
    return array.multiline(not wide or lengths > WIDE)


def _indexes(urls: list[str]) -> Any:
    tables = tomlkit.aot()
    for number, url in enumerate(urls, 1):
        table = tomlkit.table()
        table["name"], table["url"] = f"index-{number}", url
        tables.append(table)
    return tables
