"""Know which function evaluates which field of the API."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

from wheelhouse_engine.errors import UnsupportedError
from wheelhouse_engine.graph import Op

if TYPE_CHECKING:
    from wheelhouse_engine.engine import Engine

Handler = Callable[["Engine", Op], Awaitable[Any]]
HANDLERS: dict[str, Handler] = {}
"""`Container.withExec` -> the function that evaluates it; the table of what is done."""


EFFECTS: Final = frozenset(
    {
        *("Container.export", "Container.exportImage", "Container.publish", "Container.up"),
        *("Directory.export", "File.export", "Changeset.export", "Host.findUp"),
        *("Service.start", "Service.stop", "Service.sync", "Service.up", "EngineCache.prune"),
    }
)
"""Fields whose answer is worth nothing the second time: what they did may be undone since."""


def operation(*names: str) -> Callable[[Handler], Handler]:
    """Register a function as the evaluation of one or more API fields."""

    def register(handler: Handler) -> Handler:
        for name in names:
            if name in HANDLERS:
                raise ValueError(f"two handlers for {name}")
            HANDLERS[name] = handler
        return handler

    return register


def refuse(op: Op, *names: str) -> None:
    """Raise UnsupportedError for an argument that only a real Dagger engine honours."""
    for name in names:
        if op.args.get(name):
            raise UnsupportedError(f"{op.name}({name})")
