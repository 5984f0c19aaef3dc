"""CurrentModule: the module whose function `wheelhouse call` runs."""

import json
from pathlib import Path

from pipeline.engine.engine import Engine
from pipeline.engine.errors import EngineError
from pipeline.engine.graph import Op
from pipeline.engine.handlers import operation
from pipeline.engine.ignore import Filter
from pipeline.engine.ops.filesystem import filter_of
from pipeline.engine.ops.host import bring_directory, bring_file
from pipeline.engine.states import DirectoryState, FileState


def module_folder(engine: Engine) -> Path:
    """Return the folder of the module's dagger.json; raises EngineError outside a module."""
    for folder in (engine.workdir, *engine.workdir.parents):
        if (folder / "dagger.json").is_file():
            return folder
    raise EngineError("no current module: there is no dagger.json here or above. Run from a module's folder.")


@operation("Query.currentModule")
async def current_module(engine: Engine, _op: Op) -> Path:
    """Name the module by its folder."""
    return module_folder(engine)


async def _folder(engine: Engine, op: Op) -> Path:
    folder: Path = await engine.parent(op)
    return folder


@operation("CurrentModule.name")
async def name(engine: Engine, op: Op) -> str:
    """Return the name in dagger.json."""
    path = await _folder(engine, op) / "dagger.json"
    return str(json.loads(path.read_text()).get("name", ""))


@operation("CurrentModule.source")
async def source(engine: Engine, op: Op) -> DirectoryState:
    """Return the module's folder: without .git, what .gitignore names and what dagger.json excludes."""
    folder = await _folder(engine, op)
    include = json.loads((folder / "dagger.json").read_text()).get("include") or []
    excluded = tuple(pattern[1:] for pattern in include if pattern.startswith("!"))
    return await bring_directory(engine, folder, Filter(exclude=(".git", *excluded), gitignore=True))


def _below(folder: Path, text: str) -> Path:
    """Return a path below the working directory; raises EngineError for one outside."""
    path = (folder / text.lstrip("/")).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise EngineError(f"path {text!r} is outside the module's working directory")
    return path


@operation("CurrentModule.workdir")
async def workdir(engine: Engine, op: Op) -> DirectoryState:
    """Return a folder of the directory in which the functions run."""
    await _folder(engine, op)
    return await bring_directory(engine, _below(engine.workdir, op.args["path"]), filter_of(op))


@operation("CurrentModule.workdirFile")
async def workdir_file(engine: Engine, op: Op) -> FileState:
    """Return a file of the directory in which the functions run."""
    await _folder(engine, op)
    return await bring_file(engine, _below(engine.workdir, op.args["path"]))
