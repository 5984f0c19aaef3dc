"""Container: what its last exec wrote, and how it ended."""

from wheelhouse_engine.engine import Engine
from wheelhouse_engine.errors import EngineError
from wheelhouse_engine.graph import Op
from wheelhouse_engine.handlers import operation
from wheelhouse_engine.states import ExecResult


async def _last(engine: Engine, op: Op) -> ExecResult:
    """Return the outputs of the last exec; a container without one has none."""
    state = await engine.container(op)
    if state.last is None:
        raise EngineError("no command has been set")
    return state.last


@operation("Container.stdout")
async def stdout(engine: Engine, op: Op) -> str:
    """Return what the last exec wrote to standard output."""
    return (await _last(engine, op)).stdout


@operation("Container.stderr")
async def stderr(engine: Engine, op: Op) -> str:
    """Return what the last exec wrote to standard error."""
    return (await _last(engine, op)).stderr


@operation("Container.combinedOutput")
async def combined_output(engine: Engine, op: Op) -> str:
    """Return both outputs as they were interleaved."""
    return (await _last(engine, op)).combined


@operation("Container.exitCode")
async def exit_code(engine: Engine, op: Op) -> int:
    """Return the exit code of the last exec."""
    return (await _last(engine, op)).exit_code
