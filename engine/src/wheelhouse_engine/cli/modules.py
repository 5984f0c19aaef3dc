"""Import a module's main object into this process."""

import importlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn

from wheelhouse_engine.cli.bindings import install
from wheelhouse_engine.cli.bytecode import keep_bytecode
from wheelhouse_engine.cli.client import import_client
from wheelhouse_engine.cli.environment import ModuleConfig, wrong_class
from wheelhouse_engine.cli.failures import ModuleLoadError
from wheelhouse_engine.cli.hiding import hide_from_modules
from wheelhouse_engine.cli.names import snake


def load_main_object(
    config: ModuleConfig,
    bytecode: Path | None = None,
    *,
    hide: bool = False,
    bindings: str = "",
    missing: Mapping[str, str] = MappingProxyType({}),
) -> type:
    """Import the module and return its main class; its bytecode goes below `bytecode`, None for nowhere.

    With `hide`, this process's client has from now on what a module's client has on a Dagger engine.
    `bindings` is the generated text of what it has of dependencies; `missing` are those that cannot be
    loaded here, each with the reason.

    Raises:
        ModuleLoadError: the import fails, or the class is missing or not decorated; names file and line.

    """
    # The client reads these when it is imported.
    os.environ["DAGGER_MODULE"] = config.name
    os.environ["DAGGER_MAIN_OBJECT"] = config.class_name
    _make_importable(config)
    modules: dict[str, Any] = sys.modules
    modules["dagger_gen"] = None  # a generated client of another version, which lies in the module's source
    import_client()
    if hide:
        hide_from_modules()
    if bindings:
        install(bindings)
    _refuse_missing(config, missing)
    keep_bytecode(config.source.resolve(), bytecode)
    try:
        module = importlib.import_module(config.package)
    except ModuleNotFoundError as error:
        if error.name in (config.package, config.package.partition(".")[0]):
            raise ModuleLoadError(f"{config.source} has no package {config.package}") from error
        raise ModuleLoadError(
            f"{config.package} needs the package {error.name}, which this Python does not have. Install it."
        ) from error
    except Exception as error:
        raise ModuleLoadError(f"{_place(error)}{type(error).__name__}: {error}") from error
    found = getattr(module, config.class_name, None)
    if not isinstance(found, type) or not hasattr(found, "__dagger_object_type__"):
        own = [n for n, value in vars(module).items() if hasattr(value, "__dagger_object_type__")]
        raise wrong_class(config, own)
    return found


def _refuse_missing(config: ModuleConfig, missing: Mapping[str, str]) -> None:
    """Let a call of a dependency say why it is not there; a module that only declares one works."""
    from dagger import Client  # noqa: PLC0415 - imported by now

    for name, why in missing.items():
        setattr(Client, snake(name), property(partial(_refuse_dependency, config.name, name, why)))


def _refuse_dependency(module: str, name: str, why: str, _client: object) -> NoReturn:
    raise ModuleLoadError(f"module {module} calls its dependency {name}, which cannot be loaded: {why}")


def _make_importable(config: ModuleConfig) -> None:
    """Put the module's folders first on the path."""
    folders = [config.source, config.source / "src"]
    sys.path[:0] = [str(one) for one in folders if one.is_dir() and str(one) not in sys.path]


def _place(error: BaseException) -> str:
    """Name the last line of module code that ran."""
    frames = traceback.extract_tb(error.__traceback__)
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}: "
    own = [f for f in frames if "importlib" not in f.filename and Path(f.filename) != Path(__file__)]
    return f"{own[-1].filename}:{own[-1].lineno}: " if own else ""
