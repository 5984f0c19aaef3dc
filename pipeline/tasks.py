"""Concurrent work with one error when it fails: of an exception group, an engine shows "TaskGroup" alone."""

from collections.abc import AsyncIterator, Awaitable, Coroutine, Iterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar, overload

import anyio
from anyio.abc import TaskGroup

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")


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


@overload
async def gather(first: Awaitable[A], second: Awaitable[B], /) -> tuple[A, B]: ...
@overload
async def gather(first: Awaitable[A], second: Awaitable[B], third: Awaitable[C], /) -> tuple[A, B, C]: ...
@overload
async def gather(*work: Awaitable[A]) -> tuple[A, ...]: ...
async def gather(*work: Awaitable[Any]) -> tuple[Any, ...]:
    """Return the results of concurrent work in the order given; the first error cancels the rest."""
    results: dict[int, Any] = {}

    async def keep(number: int, one: Awaitable[Any]) -> None:
        results[number] = await one

    try:
        async with task_group() as group:
            for number, one in enumerate(work):
                group.start_soon(keep, number, one)
    finally:
        for one in work:
            # A branch that was cancelled before its first step would warn that nobody awaited it.
            if isinstance(one, Coroutine):
                one.close()
    return tuple(results[number] for number in range(len(work)))


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
