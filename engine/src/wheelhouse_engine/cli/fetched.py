"""Run the functions of a fetched module in a container; only the session's engine is in this process."""

import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from wheelhouse_engine.cli.dependencies import Loaded, load
from wheelhouse_engine.cli.environment import ModuleConfig, read_config
from wheelhouse_engine.cli.failures import CommandError
from wheelhouse_engine.cli.guard import Guard, guarded
from wheelhouse_engine.cli.module_process import repository_of
from wheelhouse_engine.cli.project import Settings, announce, open_session, run_until_done
from wheelhouse_engine.cli.remote import CLIENT, COPY, local_copy
from wheelhouse_engine.cli.requirements import PREFIX
from wheelhouse_engine.errors import EngineError, ExecError
from wheelhouse_engine.privileges import ROOTLESS_UID
from wheelhouse_engine.store import FORMAT

if TYPE_CHECKING:
    from wheelhouse_engine.session import Session


STORE: Final = "/tmp/store"  # noqa: S108 - of the container


def run(verb: str, reference: str | None, settings: Settings) -> int:
    """Run this command, `wheelhouse … VERB …`, in a container and return its exit code.

    Raises:
        ModuleLoadError: git cannot fetch the module, or it is not one.

    """
    reference = reference or settings.environ["DAGGER_MODULE"]
    place = local_copy(reference, settings.workdir).resolve()
    words = tuple(settings.arguments[settings.arguments.index(verb) :])
    config = read_config(place)
    loaded = load(config, settings) if config.dependencies else None
    announce(settings)
    return run_until_done(lambda: _run(_Command(words, reference, config, loaded), settings), settings)


@dataclass(frozen=True, slots=True)
class _Command:
    words: tuple[str, ...]
    """The verb and what follows it."""
    reference: str
    config: ModuleConfig
    loaded: Loaded | None
    """What the module calls of others."""


async def _run(command: _Command, settings: Settings) -> int:
    repository = repository_of(command.config.root)
    guard = Guard.of(command.words, settings.workdir, repository)
    with tempfile.TemporaryDirectory(prefix="wheelhouse-module-") as text:
        folder = Path(text)
        folder.chmod(0o755)
        async with (
            open_session(settings, module=command.config, loaded=command.loaded) as session,
            guarded(session, guard) as door,
        ):
            session.engine.door = door
            code = await _inside(session, command, settings, folder, guard)
        _collect(folder / "root", guard)
    return code


async def _inside(
    session: "Session", command: _Command, settings: Settings, folder: Path, guard: Guard
) -> int:
    """Run the command inside, and pass its output on as it arrives."""
    from wheelhouse_engine import sandbox  # noqa: PLC0415 - only for fetched modules

    environ = {
        **sandbox.environment(settings.environ),
        **session.engine.door,
        COPY: str(command.config.root),
        CLIENT: str(folder / CLIENT),
        "DAGGER_MODULE": command.reference,
        ROOTLESS_UID: str(sandbox.NOBODY),  # no second user namespace
        "WHEELHOUSE_STORE": STORE,
    }
    readable = [guard.module]
    if command.loaded:
        command.loaded.write(folder / CLIENT)
        readable.append(folder / CLIENT)
    flags = ["--engine=embedded", *(["--debug"] if settings.debug else []), "--silent"]
    # Its packages are installed inside, too, and kept: for this module alone.
    name = f"{PREFIX}{guard.module.name}"
    session.engine.store.used(name)
    kept = {f"{STORE}/{FORMAT}/modules": session.engine.store.modules / name}
    places = [Path(STORE, FORMAT), *(Path(one).parent for one in guard.outputs)]
    args = [sys.executable, "-m", "wheelhouse_engine", *flags, *command.words]
    process = sandbox.Sandboxed(args, environ, settings.workdir, readable, kept, places)

    def show(stream: str, data: bytes) -> None:
        to = sys.stdout if stream == "stdout" else sys.stderr
        to.buffer.write(data)
        to.flush()

    ended = await sandbox.run(session.engine, process, folder, show)
    if ended.failure:
        raise CommandError(f"the module's container could not be started: {ended.failure}")
    return ended.returncode


def _collect(root: Path, guard: Guard) -> None:
    """Bring a result that the command inside saved to where `-o` says."""
    for name in guard.outputs:
        made, target = root / name.lstrip("/"), Path(name)
        if made.is_file() and not made.is_symlink():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(made, target)


class Outside:
    """Session of the engine outside, as a command inside the container sees it."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._url = f"http://127.0.0.1:{environ['DAGGER_SESSION_PORT']}/query"
        self._token = environ["DAGGER_SESSION_TOKEN"]

    async def query(self, text: str) -> dict[str, Any]:
        """Run a query; return its data or raise the first error."""
        import httpx  # noqa: PLC0415 - the client's own transport, which the module has loaded by now

        client = httpx.AsyncClient(auth=(self._token, ""), timeout=None, trust_env=False)  # noqa: S113
        async with client:
            answer = (await client.post(self._url, json={"query": text})).json()
        if errors := answer.get("errors"):
            raise _error(errors[0])
        return dict(answer["data"])


def _error(shown: Mapping[str, Any]) -> EngineError:
    """Return the error that the session outside told."""
    more = shown.get("extensions") or {}
    if more.get("_type") != "EXEC_ERROR":
        return EngineError(shown["message"])
    return ExecError(more["cmd"], more["exitCode"], more["stdout"], more["stderr"], shown["message"])
