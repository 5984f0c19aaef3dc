"""What is around a module's functions while they run: their folder and other modules."""

import contextlib
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wheelhouse_engine.cli.dependencies import Loaded
    from wheelhouse_engine.cli.environment import ModuleConfig
    from wheelhouse_engine.session import Session


@contextlib.asynccontextmanager
async def prepared(
    session: "Session", module: "ModuleConfig | None", loaded: "Loaded | None"
) -> AsyncIterator[None]:
    """Prepare a session for the functions of a module, or for a program that is none."""
    async with contextlib.AsyncExitStack() as stack:
        if module is not None:
            session.engine.module = module.root
            session.engine.module_workdir = stack.enter_context(_empty_folder())
        if loaded is not None:
            from wheelhouse_engine.cli.module_calls import served  # noqa: PLC0415 - only with dependencies

            await stack.enter_async_context(served(session, loaded.dependencies))
        yield


@contextlib.contextmanager
def _empty_folder() -> Iterator[Path]:
    """Let functions run in an empty folder, as on a Dagger engine: not in the caller's."""
    with tempfile.TemporaryDirectory(prefix="wheelhouse-functions-") as folder, contextlib.chdir(folder):
        yield Path(folder)
