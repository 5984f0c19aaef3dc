"""Read a user's own defaults from .env files."""

from collections.abc import Mapping
from pathlib import Path

from wheelhouse_engine.cli.command_line import Defaults
from wheelhouse_engine.cli.environment import ModuleConfig
from wheelhouse_engine.cli.signatures import Function


def load_defaults(module: ModuleConfig, workdir: Path) -> Defaults:
    """Give the defaults of a module's functions.

    `.env` beside dagger.json says `ARG=value` for the constructor and `FUNCTION_ARG=value`; the nearest
    `.env` from the working folder upwards says the same behind `MODULE_`. Case does not matter.
    """
    inner = _read(module.root / ".env")
    outer_path = next((p / ".env" for p in (workdir, *workdir.parents) if (p / ".env").is_file()), None)
    outer = _read(outer_path) if outer_path and outer_path != module.root / ".env" else inner

    def defaults(function: Function, is_constructor: bool) -> Mapping[str, str]:
        found: dict[str, str] = {}
        for argument in function.arguments:
            local = fold(argument.name if is_constructor else function.name + argument.name)
            for held, key in ((inner, local), (outer, fold(module.name) + local)):
                if key in held:
                    found[argument.name] = held[key]
        return found

    return defaults


def fold(name: str) -> str:
    """Give a name without case, dashes and underscores."""
    return name.replace("_", "").replace("-", "").casefold()


def _read(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    from dotenv import dotenv_values  # noqa: PLC0415 - only where there is a .env

    return {fold(key): value for key, value in dotenv_values(path).items() if value is not None}
