"""Run code of a dependency in a process of its own; in a container, if it was fetched."""

import json
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from wheelhouse_engine import sandbox
from wheelhouse_engine.cli.environment import ModuleConfig
from wheelhouse_engine.cli.failures import ModuleLoadError
from wheelhouse_engine.cli.requirements import PREFIX
from wheelhouse_engine.errors import EngineError, ExecError
from wheelhouse_engine.privileges import ROOTLESS_UID
from wheelhouse_engine.runner import Stream
from wheelhouse_engine.store import FORMAT

if TYPE_CHECKING:
    from wheelhouse_engine.cli.project import Settings
    from wheelhouse_engine.session import Session

REQUEST: Final = "request.json"
ANSWER: Final = "answer.json"
_STORE: Final = "/tmp/store"  # noqa: S108 - of the container
_FOLDER: Final = "/tmp/call"  # noqa: S108 - of the container


@dataclass(frozen=True, slots=True)
class Place:
    """Where a dependency's code is, and what its client has of other modules."""

    config: ModuleConfig
    name: str
    """Name that its types begin with."""
    bindings: str
    missing: Mapping[str, str]
    is_fetched: bool
    """It comes from elsewhere, so that its code runs in a container."""


@dataclass(frozen=True, slots=True)
class ModuleCall:
    """One function to call."""

    type: str
    """GraphQL name of the object."""
    function: str
    """GraphQL name of the function; "" for the constructor."""
    state: Mapping[str, Any]
    inputs: Mapping[str, Any]


async def run_alone(place: Place, settings: "Settings") -> Any:
    """Ask a module for its description, before there is a session."""
    from wheelhouse_engine.progress import open_progress  # noqa: PLC0415 - only for modules with dependencies
    from wheelhouse_engine.session import Session  # noqa: PLC0415 - see above

    progress = open_progress("auto", silent=True, verbosity=0, environ=settings.environ)
    async with Session.open(environ=settings.environ, workdir=settings.workdir, progress=progress) as session:
        return await run(place, session, {}, None)


async def run(place: Place, session: "Session", door: Mapping[str, str], call: ModuleCall | None) -> Any:
    """Return what a function returned, or the module's description where there is none.

    Raises:
        EngineError: the function failed; ExecError when a process that it ran did.
        ModuleLoadError: the module cannot be imported.

    """
    with tempfile.TemporaryDirectory(prefix="wheelhouse-call-") as text:
        folder = Path(text)
        request = {
            "root": str(place.config.root),
            "name": place.name,
            "bindings": place.bindings,
            "missing": place.missing,
            "call": asdict(call) if call else None,
        }
        shared = folder / "call"
        shared.mkdir()
        (shared / REQUEST).write_text(json.dumps(request))
        start = _confined if place.is_fetched else _here
        await start(place, session, door, folder)
        try:
            answer = json.loads((shared / ANSWER).read_text())
        except FileNotFoundError:
            raise EngineError(f"module {place.config.name} ended without an answer") from None
    if failed := answer.get("load_error"):
        raise ModuleLoadError(failed)
    if failed := answer.get("exec_error"):
        raise ExecError(**failed)
    if "error" in answer:
        raise EngineError(answer["error"])
    return answer["value"]


def _show(stream: Stream, data: bytes) -> None:
    """Pass on what a module prints; its standard output is not the command's."""
    _ = stream
    sys.stderr.buffer.write(data)
    sys.stderr.flush()


def _command(folder: str) -> list[str]:
    return [sys.executable, "-m", "wheelhouse_engine.cli.serving", folder]


async def _here(_place: Place, session: "Session", door: Mapping[str, str], folder: Path) -> None:
    env = {**session.engine.environ, **door}
    await session.engine.runner.run(_command(str(folder / "call")), env=env, sink=_show)


async def _confined(place: Place, session: "Session", door: Mapping[str, str], folder: Path) -> None:
    """Run the process as a fetched module runs: with nothing of this machine but its own files."""
    repository = repository_of(place.config.root)
    name = f"{PREFIX}{repository.name}"
    session.engine.store.used(name)
    environ = {
        **sandbox.environment(session.engine.environ),
        **door,
        ROOTLESS_UID: str(sandbox.NOBODY),  # no second user namespace
        "WHEELHOUSE_STORE": _STORE,
    }
    kept = {f"{_STORE}/{FORMAT}/modules": session.engine.store.modules / name, _FOLDER: folder / "call"}
    folder.chmod(0o755)
    process = sandbox.Sandboxed(
        _command(_FOLDER), environ, Path(_FOLDER), (repository,), kept, [Path(_STORE, FORMAT)], folder.name
    )
    ended = await sandbox.run(session.engine, process, folder, _show)
    if ended.failure:
        raise EngineError(
            f"the container of module {place.config.name} could not be started: {ended.failure}"
        )


def repository_of(root: Path) -> Path:
    """Return the clone in the store that a fetched module is in."""
    return next(one for one in (root, *root.parents) if one.parent.name == "modules")
