"""CurrentModule: the module whose function `wheelhouse call` runs."""

import json
import posixpath
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from wheelhouse_engine.engine import Engine
from wheelhouse_engine.errors import EngineError
from wheelhouse_engine.graph import Op
from wheelhouse_engine.handlers import operation
from wheelhouse_engine.ignore import Filter
from wheelhouse_engine.ops.filesystem import checked_directory, filter_of
from wheelhouse_engine.ops.host import bring_directory, bring_file
from wheelhouse_engine.paths import context_root
from wheelhouse_engine.states import DirectoryState, FileState


@operation("Query.currentModule")
async def current_module(engine: Engine, op: Op) -> Path:
    """Return the folder of the module's dagger.json; raises EngineError for a client that is no module."""
    if caller := op.args.get("caller"):
        return Path(caller)
    if engine.module is None:
        raise EngineError(
            "failed to get current module: no current module. Only a function of a module has one."
        )
    return engine.module


async def _folder(engine: Engine, op: Op) -> Path:
    folder: Path = await engine.parent(op)
    return folder


def _config(folder: Path) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((folder / "dagger.json").read_text())
    return config


@operation("CurrentModule.name")
async def name(engine: Engine, op: Op) -> str:
    """Return the name in dagger.json."""
    return str(_config(await _folder(engine, op)).get("name", ""))


@operation("CurrentModule.source")
async def source(engine: Engine, op: Op) -> DirectoryState:
    """Return the module's source folder, from what the module's context contains.

    The context is the git repository around the module: `dagger.json`, the source folder and what
    `include` adds or removes. .git is in it where the module is at the root of a repository of this machine;
    there .gitignore counts, too, and not in a commit.
    """
    folder = await _folder(engine, op)
    config, context = _config(folder), context_root(folder)
    root = folder.relative_to(context).as_posix()
    below = posixpath.normpath(posixpath.join(root, config.get("source") or "."))
    fetched = folder.is_relative_to(engine.store.modules)
    wanted = context_filter(root, below, config.get("include") or (), exclude=(".git",) if fetched else ())
    held = await bring_directory(engine, context, replace(wanted, gitignore=not fetched))
    return await checked_directory(engine, held.snapshot, posixpath.join("/", below), below)


def context_filter(root: str, source: str, include: Sequence[str], exclude: Sequence[str] = ()) -> Filter:
    """Return what a module's context contains, seen from the context: patterns count from dagger.json.

    `exclude` is what it never contains.

    Source: `loadModuleSourceContext` of core/schema/modulesource.go, v0.21.8.
    """
    rebased = [f"{'!' * one.startswith('!')}{posixpath.join(root, one.removeprefix('!'))}" for one in include]
    always = (posixpath.join(root, "dagger.json"), "*" if source == "." else source)
    if all(one.startswith("!") for one in rebased):
        # As exclusions they spare the walk through what is left out.
        return Filter(always, (*exclude, *(one[1:] for one in rebased)))
    return Filter((*always, *rebased), tuple(exclude))


def _below(folder: Path, text: str) -> Path:
    """Return a path below the working directory; raises EngineError for one outside."""
    path = (folder / text).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise EngineError(f'workdir path "{text}" escapes workdir')
    return path


async def _workdir(engine: Engine, op: Op) -> Path:
    """Return the folder in which the functions run; raises EngineError for those of a dependency."""
    folder = await _folder(engine, op)
    if folder != engine.module or engine.module_workdir is None:
        raise EngineError(f"{op.name} is not available to a module that another module calls")
    return _below(engine.module_workdir, op.args["path"])


@operation("CurrentModule.workdir")
async def workdir(engine: Engine, op: Op) -> DirectoryState:
    """Return a folder of the directory in which the functions run."""
    return await bring_directory(engine, await _workdir(engine, op), filter_of(op))


@operation("CurrentModule.workdirFile")
async def workdir_file(engine: Engine, op: Op) -> FileState:
    """Return a file of the directory in which the functions run."""
    return await bring_file(engine, await _workdir(engine, op))
