"""What a pyproject.toml is: one that declares a service, or somebody's who has not got that far."""

import json
import tomllib
from typing import Any, Final

from pipeline.config_errors import FILE, TABLE
from pipeline.errors import ConfigError

INIT: Final = "Run `wheelhouse call --source=. init -o .` (or `dagger call …`), read what it wrote"
TOOLS: Final = ("poetry", "pdm", "flit")
"""Tables below [tool] that have name and version in older projects."""
OTHERS: Final = ("requirements.txt", "setup.py", "setup.cfg", "Pipfile", "environment.yml", "Dockerfile")
"""Files that tell of a project that has no pyproject.toml."""


WORKERS: Final = (
    *("arq", "celery", "dramatiq", "huey_consumer", "huey_consumer.py", "procrastinate", "rq", "taskiq"),
)
"""Programs that serve nothing: a command that starts with one has the protocol `none` by itself."""


def with_protocol(service: Any) -> Any:
    """Return [tool.wheelhouse] with what its protocol implies and it does not say itself."""
    if not isinstance(service, dict):
        return service
    words = service.get("command")
    program = str(words[0]).rpartition("/")[2] if isinstance(words, list) and words else ""
    silent = program in WORKERS and not {"port", "health", "ready"} & service.keys()
    protocol = service.get("protocol", "none" if silent else "http")
    implied: dict[str, Any] = {"protocol": protocol}
    implied |= {} if protocol == "none" else {"port": 8000}
    implied |= {"health": "/health"} if protocol == "http" else {}
    return implied | service


def tables_of(pyproject: str) -> str:
    """Return the tables of a pyproject.toml that the configuration reads, as JSON.

    Raises:
        ConfigError: not TOML or not UTF-8, or without [project] or [tool.wheelhouse].

    """
    if "\ufffd" in pyproject:
        line = next(number for number, text in enumerate(pyproject.splitlines(), 1) if "\ufffd" in text)
        raise ConfigError.of(
            f"{FILE}:{line}: not valid UTF-8", expected="UTF-8", do="Save the file as UTF-8."
        )
    try:
        tables = tomllib.loads(pyproject)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError.of(
            f"{FILE} is not TOML: {error}", expected="a TOML file", do="Fix that line."
        ) from error
    tools = tables.get("tool", {})
    if not isinstance(tables.get("project"), dict):
        raise _without_project(tools)
    if TABLE.partition(".")[2] not in tools:
        raise ConfigError.of(
            f"{FILE} has no [{TABLE}]",
            expected="a table with command, packages and variants",
            do=f"{INIT}; docs/config.md explains every key.",
        )
    uv = tools.get("uv", {})
    indexes = [index.get("url") for index in uv.get("index", [])] if isinstance(uv, dict) else []
    parts = {
        "project": tables["project"],
        "service": with_protocol(tools["wheelhouse"]),
        "groups": sorted(tables.get("dependency-groups", {})),
        "indexes": indexes,
    }
    return json.dumps(parts, default=str)


def _without_project(tools: dict[str, Any]) -> ConfigError:
    found = next((name for name in TOOLS if name in tools), "")
    return ConfigError.of(
        f"{FILE} has no [project]" + (f": name and dependencies are in [tool.{found}]" if found else ""),
        expected="name, version and dependencies in [project] (PEP 621)",
        do=f"{INIT}, then run `wheelhouse call lock`.",
    )


def absent(names: list[str]) -> ConfigError:
    """Return the error about a source without pyproject.toml, given what is in it."""
    others = [name for name in OTHERS if name in names]
    if not others:
        found = f"the source has no {FILE}, only {', '.join(sorted(names)[:5]) or 'nothing at all'}"
        return ConfigError.of(found, expected="the folder of a Python project", do="Pass it with --source.")
    return ConfigError.of(
        f"the source has {' and '.join(others)} and no {FILE}",
        expected=f"{FILE} with [project] and [{TABLE}]",
        do=f"{INIT}, then run `wheelhouse call lock`.",
    )
