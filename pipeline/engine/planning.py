"""Answer leaves without running anything: what `wheelhouse plan` needs.

Host files, texts and directories are read for real, since what a pipeline does
may depend on them. What only a container could answer gets an empty value.
"""

from typing import Any, Final

from pipeline.engine.apitable import ApiTable
from pipeline.engine.engine import Engine
from pipeline.engine.graph import Op

EMPTY: Final[dict[str, Any]] = {"String": "", "Int": 0, "Float": 0.0, "Boolean": False, "JSON": "null"}
WAITS: Final = frozenset({"sync", "start", "stop"})
"""Fields that say nothing but that something is done."""
LEAVES: Final = frozenset({"String", "Int", "Float", "Boolean", "JSON"})
RUNS: Final = frozenset({"Container", "Service", "GitRef", "GitRepository"})
"""Types behind which a process stands."""


async def answer(engine: Engine, table: ApiTable, op: Op) -> Any:
    """Return a leaf's value: the real one where no container is needed."""
    kind = table.field(op.owner, op.field).type
    if op.field in WAITS:
        return op.parent.digest if op.parent else ""
    if not needs_process(op):
        return await engine.evaluate(op)
    return [] if kind.startswith("[") else EMPTY.get(kind.strip("!"))


def is_guess(op: Op) -> bool:
    """Say whether an operation asked for a value that a plan does not know."""
    return op.type.strip("[]!") in LEAVES and op.field not in WAITS and needs_process(op)


def needs_process(op: Op) -> bool:
    """Say whether evaluating an operation would start a process."""
    seen: set[str] = set()
    pending = [op]
    while pending:
        one = pending.pop()
        if one.type in RUNS or one.field in ("export", "publish", "http", "plaintext"):
            return True
        seen.add(one.digest)
        pending += [inner for inner in one.inputs() if inner.digest not in seen]
    return False
