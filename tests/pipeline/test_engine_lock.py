"""What makes a repository dirty: everything but the lock file that engines keep to themselves."""

from dataclasses import dataclass, field
from typing import Any, cast

import dagger
import pytest

from pipeline.commits import git_state

SHA = "a" * 40


@dataclass
class Changes:
    """What `uncommitted()` of an engine answers."""

    added: list[str] = field(default_factory=list)
    modified: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)

    async def is_empty(self) -> bool:
        """Say whether there is any."""
        return not (self.added or self.modified or self.removed)

    async def added_paths(self) -> list[str]:
        """Return new files."""
        return self.added

    async def modified_paths(self) -> list[str]:
        """Return changed files."""
        return self.modified

    async def removed_paths(self) -> list[str]:
        """Return files that are gone."""
        return self.removed


@dataclass
class Repository:
    """A local repository without tags."""

    changes: Changes

    def head(self) -> Any:
        """Return the repository as its own HEAD."""
        return self

    async def commit(self) -> str:
        """Return the commit of HEAD."""
        return SHA

    async def tags(self, patterns: list[str]) -> list[str]:
        """Return no tags."""
        assert patterns
        return []

    async def url(self) -> str:
        """Return that it is local."""
        return ""

    def uncommitted(self) -> Changes:
        """Return what is not committed."""
        return self.changes


@pytest.mark.parametrize(
    ("changes", "dirty"),
    [
        (Changes(), False),
        (Changes(removed=["dagger.lock"]), False),
        (Changes(removed=["services/a/dagger.lock"]), False),
        (Changes(removed=["dagger.lock", "app.py"]), True),
        (Changes(removed=["poetry.lock"]), True),
        (Changes(removed=["dagger.lock"], added=["app.py"]), True),
        (Changes(modified=["app.py"]), True),
        (Changes(added=["dagger.lock"]), True),
    ],
)
async def test_a_committed_engine_lock_is_no_change(changes: Changes, *, dirty: bool) -> None:
    """A `dagger.lock` that the engine leaves out of its copy makes no repository dirty."""
    state = await git_state(cast("dagger.GitRepository", Repository(changes)))
    assert state.dirty is dirty
