"""Branches that run at once fail as one of them does."""

from collections.abc import Coroutine

import anyio
import pytest

from pipeline.errors import ChecksFailedError, LockError
from pipeline.tasks import task_group


async def fail(error: Exception, after_s: float = 0) -> None:
    """Raise an error after a while."""
    await anyio.sleep(after_s)
    raise error


async def _awaited(branch: Coroutine[None, None, None]) -> None:
    await branch


async def run(*branches: Coroutine[None, None, None]) -> None:
    """Run branches at once."""
    async with task_group() as group:
        for branch in branches:
            group.start_soon(_awaited, branch)


async def test_the_error_of_a_branch_is_the_error_of_all() -> None:
    """No group stands around it, however deep the branch is: Dagger would tell of the group alone."""
    with pytest.raises(LockError, match="stale"):
        await run(anyio.sleep(60), run(fail(LockError("stale"))))


async def test_the_first_of_two_errors_counts() -> None:
    """What would have failed later is cancelled."""
    with pytest.raises(ChecksFailedError, match="first"):
        await run(fail(LockError("second"), 60), fail(ChecksFailedError("first")))


async def test_the_cause_of_an_error_stays() -> None:
    """A failed process behind an error is still found."""
    cause = ValueError("process")

    async def wrapped() -> None:
        raise LockError("stale") from cause

    with pytest.raises(LockError) as caught:
        await run(wrapped())
    assert caught.value.__cause__ is cause
