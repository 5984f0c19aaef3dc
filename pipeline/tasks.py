"""Work at once, and one error when it fails: of a group, an engine shows the word "TaskGroup" alone."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import anyio
from anyio.abc import TaskGroup


@asynccontextmanager
async def task_group() -> AsyncIterator[TaskGroup]:
    """Open a task group that fails with the error of the branch that failed first.

    The other branches are cancelled. Dagger tells a function's exception by its text, and a failed process
    by its exit code and output: inside a group neither is seen.
    """
    try:
        async with anyio.create_task_group() as group:
            yield group
    except BaseExceptionGroup as errors:
        first = next(_leaves(errors))
        raise first from first.__cause__


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
