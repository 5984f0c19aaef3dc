"""Answer leaves without running anything: what `wheelhouse plan` needs.

Host files, texts and directories are read for real, since what a pipeline does
may depend on them, and so is what the store has from an earlier run. What only a
process could answer gets an empty value.
"""

from dataclasses import dataclass
from typing import Any, Final

from wheelhouse_engine.apitable import ApiTable
from wheelhouse_engine.engine import Engine
from wheelhouse_engine.errors import NotMadeError
from wheelhouse_engine.graph import Op

EMPTY: Final[dict[str, Any]] = {"String": "", "Int": 0, "Float": 0.0, "Boolean": False, "JSON": "null"}
WAITS: Final = frozenset({"sync", "start", "stop"})
"""Fields that say nothing but that something is done."""
ELSEWHERE: Final = frozenset({"Service", "GitRef", "GitRepository"})
"""Types behind which something stands that no store has."""
EFFECTS: Final = frozenset({"export", "exportImage", "publish", "http", "plaintext", "terminal", "up"})


@dataclass(frozen=True, slots=True)
class Answer:
    """Hold what a plan goes on with."""

    value: Any
    known: bool = True
    """False for an empty value in place of what only a run can tell."""


async def answer(engine: Engine, table: ApiTable, op: Op) -> Answer:
    """Return a leaf's value: the real one where no process is needed for it."""
    if op.field in WAITS:
        return Answer(op.parent.digest if op.parent else "")
    if not _reaches_out(op):
        try:
            return Answer(await engine.evaluate(op))
        except (NotMadeError, OSError):
            pass  # not in the store; or there, and only root may mount it
    kind = table.field(op.owner, op.field).type
    return Answer([] if kind.startswith("[") else EMPTY.get(kind.strip("!")), known=False)


def _reaches_out(op: Op) -> bool:
    """Say whether evaluating an operation would act on something outside the store."""
    seen: set[str] = set()
    pending = [op]
    while pending:
        one = pending.pop()
        if one.type in ELSEWHERE or one.field in EFFECTS:
            return True
        seen.add(one.digest)
        pending += [inner for inner in one.inputs() if inner.digest not in seen]
    return False
