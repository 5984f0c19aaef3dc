"""Open the user's module and a session to run it on; end both well."""

import asyncio
import contextlib
import gc
import logging
import os
import shlex
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO, cast

from wheelhouse_engine.cli.command_line import Defaults, ModuleTypes
from wheelhouse_engine.cli.core import CoreTypes
from wheelhouse_engine.cli.defaults import load_defaults
from wheelhouse_engine.cli.environment import (
    ModuleConfig,
    enter_module_environment,
    find_module,
    module_environment,
)
from wheelhouse_engine.cli.failures import EXIT_CANCELED, UsageError, report, with_disk_named
from wheelhouse_engine.cli.introspect import OwnTypes
from wheelhouse_engine.cli.names import near_miss
from wheelhouse_engine.cli.remote import CLIENT, COPY
from wheelhouse_engine.cli.requirements import environment_of
from wheelhouse_engine.progress import MODES, Progress, open_progress

if TYPE_CHECKING:
    from wheelhouse_engine.cli.dependencies import Loaded
    from wheelhouse_engine.session import Session


OPTIONS: Final = (
    *("engine", "progress", "silent", "debug", "auto_apply"),
    *("interactive", "interactive_command"),
)
"""What may also stand behind the verb."""


PATIENT: Final = 2
"""Ctrl-C of this number is answered; each after it ends the process."""


@dataclass(slots=True)
class Settings:
    """Hold what the command's own flags say, wherever they stand."""

    engine: str | None = None
    progress: str = "auto"
    quiet: int = 0
    verbose: int = 0
    silent: bool = False
    debug: bool = False
    auto_apply: bool = False
    interactive: bool = False
    interactive_command: str = "/bin/sh"
    arguments: tuple[str, ...] = ()
    """The whole command line, for handing it over."""
    scrub: Callable[[str], str] = str
    """Replaces secrets by `***`, once a session knows them."""
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    """The caller's environment, taken before module code could change it."""
    workdir: Path = field(default_factory=Path.cwd)

    def update(self, options: Mapping[str, Any]) -> None:
        """Take over flags that stood behind the verb; other names are left alone."""
        for name, value in options.items():
            attribute = name.replace("-", "_")
            if attribute in ("quiet", "verbose"):
                setattr(self, attribute, getattr(self, attribute) + value)
            elif attribute in OPTIONS:
                setattr(self, attribute, value)

    def open_progress(self) -> Progress:
        """Open the way to show progress; raises UsageError for an unknown mode."""
        if self.progress not in MODES:
            message = f'invalid argument "{self.progress}" for "--progress" flag: value should be one of '
            raise UsageError(message + ",".join(MODES), "wheelhouse", near_miss(self.progress, MODES))
        verbosity = self.verbose - self.quiet
        return open_progress(self.progress, silent=self.silent, verbosity=verbosity, environ=self.environ)


@dataclass(frozen=True, slots=True)
class Project:
    """Hold a loaded module."""

    config: ModuleConfig
    types: ModuleTypes
    defaults: Defaults
    loaded: "Loaded | None" = None
    """What it calls of other modules."""


def open_project(reference: str | None, settings: Settings) -> Project:
    """Find and import the module, in an environment without the caller's variables.

    Raises:
        ModuleLoadError: there is none or it cannot be imported.

    """
    from wheelhouse_engine.cli.modules import load_main_object  # noqa: PLC0415 - imports nothing slow itself
    from wheelhouse_engine.store import Store  # noqa: PLC0415 - see above

    config = find_module(reference or settings.environ.get("DAGGER_MODULE"), settings.workdir)
    defaults = load_defaults(config, settings.workdir)
    packages = environment_of(config, settings.environ)
    loaded = _dependencies(config, settings)
    enter_module_environment(module_environment(settings.environ))
    if packages is not None:
        sys.path.insert(0, str(packages))  # the module's own folders go before it
    with quiet_stdout():
        bytecode = Store.open(settings.environ).root / "bytecode"
        bindings, missing = (loaded.bindings, loaded.missing) if loaded else ("", {})
        main = load_main_object(config, bytecode, hide=True, bindings=bindings, missing=missing)
    own = OwnTypes(main, config.name)
    if loaded:
        loaded.refuse_foreign(own)
    return Project(config, ModuleTypes(own, lambda: load_core(settings.environ)), defaults, loaded)


def _dependencies(config: ModuleConfig, settings: Settings) -> "Loaded | None":
    """Load what a module calls; in a container, take what was loaded outside."""
    if not config.dependencies:
        return None
    from wheelhouse_engine.cli import dependencies  # noqa: PLC0415 - only for modules that call others

    if COPY in settings.environ:
        return dependencies.Loaded.from_file(Path(settings.environ[CLIENT]))
    return dependencies.load(config, settings)


def load_core(environ: Mapping[str, str]) -> CoreTypes:
    """Read the core API's table, which the store keeps from earlier runs."""
    from wheelhouse_engine.api import load_api  # noqa: PLC0415 - only commands that reach core types need it
    from wheelhouse_engine.store import Store  # noqa: PLC0415 - see above

    return CoreTypes(load_api(Store.open(environ).root / "api"))


@contextlib.asynccontextmanager
async def open_session(
    settings: Settings,
    *,
    plan: bool = False,
    module: ModuleConfig | None = None,
    loaded: "Loaded | None" = None,
) -> "AsyncIterator[Session]":
    """Open the engine for one command and let the client find it.

    `module` is the one whose functions run, `loaded` what it calls of others.
    """
    from wheelhouse_engine.cli.connection import join_client  # noqa: PLC0415 - see below
    from wheelhouse_engine.cli.surroundings import prepared  # noqa: PLC0415 - see below
    from wheelhouse_engine.session import Session  # noqa: PLC0415 - commands without an engine never load it

    if COPY in settings.environ:
        from wheelhouse_engine.cli.fetched import Outside  # noqa: PLC0415 - only in a fetched module's container

        yield cast("Session", Outside(settings.environ))
        await _close_client()
        return
    progress = settings.open_progress()
    try:
        async with Session.open(
            environ=settings.environ, workdir=settings.workdir, progress=progress, plan=plan
        ) as session:
            if loaded and loaded.table:
                session.extend(loaded.table)
            _apply_settings(session, settings)
            join_client(session.schema, session.answer_document)
            gc.freeze()  # what was imported stays: no need to look at it again
            gc.enable()
            try:
                async with prepared(session, module, loaded):
                    yield session
            except asyncio.CancelledError:
                # The server's open requests end with the session; that is no fault to log.
                logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
                raise
            finally:
                await _close_client()
    finally:
        progress.close()


def _apply_settings(session: "Session", settings: Settings) -> None:
    """Pass a command's settings to its session, and the session's address to the client."""
    if settings.interactive:
        session.engine.terminal.on_failure = tuple(shlex.split(settings.interactive_command))
    settings.scrub = session.engine.secrets.scrub
    os.environ["DAGGER_SESSION_PORT"] = str(session.port)
    os.environ["DAGGER_SESSION_TOKEN"] = session.token


def run_until_done(
    work: Callable[[], Coroutine[Any, Any, int]], settings: Settings, stderr: TextIO | None = None
) -> int:
    """Run the command; Ctrl-C and SIGTERM stop what runs, then the exit code is 2."""
    err = stderr or sys.stderr

    async def guarded() -> int:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - inside a coroutine that asyncio.run started
        loop, interrupt = asyncio.get_running_loop(), Interrupt(task.cancel, err)
        loop.add_signal_handler(signal.SIGTERM, task.cancel)
        loop.add_signal_handler(signal.SIGINT, interrupt)
        return await work()

    try:
        return asyncio.run(guarded())
    except (KeyboardInterrupt, asyncio.CancelledError):
        err.write("Canceled.\n")
        return EXIT_CANCELED
    except Exception as error:  # noqa: BLE001 - the last place where it can become words
        meant = with_disk_named(error, settings.environ)
        return report(meant, err, debug=settings.debug, scrub=settings.scrub)


@dataclass(slots=True)
class Interrupt:
    """Handler of Ctrl-C: the first cancels, the second asks for patience, the third gives up."""

    cancel: Callable[[], object]
    err: TextIO
    count: int = 0

    def __call__(self) -> None:
        """Handle one Ctrl-C; the third raises KeyboardInterrupt, and the next session cleans up."""
        self.count += 1
        if self.count == 1:
            self.cancel()
        elif self.count == PATIENT:
            self.err.write("Cleaning up. Ctrl-C once more leaves it to the next session.\n")
            self.err.flush()
        else:
            raise KeyboardInterrupt


def quiet_stdout() -> contextlib.AbstractContextManager[Any]:
    """Send what module code prints to stderr: stdout carries the result only."""
    return contextlib.redirect_stdout(sys.stderr)


def announce(settings: Settings, engine: str = "embedded (buildah)") -> None:
    """Say on stderr which engine runs."""
    if not settings.silent:
        sys.stderr.write(f"engine: {engine}\n")
        sys.stderr.flush()


async def _close_client() -> None:
    """Close the client's connection, if module code opened one."""
    dagger = sys.modules.get("dagger")
    if dagger is not None:
        await dagger.close()
