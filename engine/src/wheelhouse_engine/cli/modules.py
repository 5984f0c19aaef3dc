"""Import a module's main object into this process."""

import importlib
import importlib.util
import os
import sys
import traceback
from functools import partial
from pathlib import Path
from typing import NoReturn

from wheelhouse_engine.cli.bytecode import keep_bytecode
from wheelhouse_engine.cli.client import import_client
from wheelhouse_engine.cli.environment import ModuleConfig, wrong_class
from wheelhouse_engine.cli.failures import ModuleLoadError
from wheelhouse_engine.cli.hiding import hide_from_modules


def load_main_object(config: ModuleConfig, bytecode: Path | None = None, *, hide: bool = False) -> type:
    """Import the module and return its main class; its bytecode goes below `bytecode`, None for nowhere.

    With `hide`, this process's client has from now on what a module's client has on a Dagger engine.

    Raises:
        ModuleLoadError: the import fails, or the class is missing or not decorated; names file and line.

    """
    # The client reads these when it is imported.
    os.environ["DAGGER_MODULE"] = config.name
    os.environ["DAGGER_MAIN_OBJECT"] = config.class_name
    _make_importable(config)
    import_client()
    if hide:
        hide_from_modules()
    _refuse_dependencies(config)
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


def _refuse_dependencies(config: ModuleConfig) -> None:
    """Let a call of a dependency say why it is not there; a module that only declares one works."""
    from dagger import Client  # noqa: PLC0415 - imported by now

    for name in config.dependencies:
        attribute = name.replace("-", "_")
        if not hasattr(Client, attribute):
            setattr(Client, attribute, property(partial(_refuse_dependency, config.name, name)))


def _refuse_dependency(module: str, name: str, _client: object) -> NoReturn:
    raise ModuleLoadError(
        f"module {module} calls its dependency {name}: the embedded engine does not load dependencies. "
        "Run the same command with a Dagger engine."
    )


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
