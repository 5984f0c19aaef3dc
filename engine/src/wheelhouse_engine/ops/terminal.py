"""Container: a terminal in it."""

from typing import Final

from wheelhouse_engine import attaching, execs
from wheelhouse_engine.engine import Engine
from wheelhouse_engine.graph import Op
from wheelhouse_engine.handlers import operation
from wheelhouse_engine.states import ContainerState
from wheelhouse_engine.terminals import open_terminal

SHELL: Final = ("sh",)
"""Source: `Container.terminal`'s description."""


@operation("Container.terminal")
async def terminal(engine: Engine, op: Op) -> ContainerState:
    """Open a terminal; the container stays as it is, whatever is done there."""
    state = await engine.container(op)
    words = tuple(op.args.get("cmd") or state.terminal or SHELL)
    image = await engine.rootfs_image(state.rootfs)
    with engine.store.scratch(engine.session) as scratch:
        async with (
            engine.services.bound(engine, state.bindings) as hosts,
            attaching.caches(engine, state) as folders,
            engine.buildah.working(image) as working,
        ):
            command = execs.Command(
                words,
                op.args.get("insecureRootCapabilities", False),
                nested=op.args.get("experimentalPrivilegedNesting", False),
                caches=folders,
                hosts=hosts,
            )
            async with execs.laid(engine, state, command, working, scratch) as laid:
                await open_terminal(engine, laid, words, "")
    return state
