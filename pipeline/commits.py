"""Stage 8a of 8: a git repository in, what its tags and times say out."""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final, Self

import dagger

from pipeline.containers import Builder, program_files
from pipeline.errors import PipelineError

ENGINE_LOCK: Final = "dagger.lock"


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit by its full object name."""

    sha: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the commit named by 40 (SHA-1) or 64 (SHA-256) hex digits.

        Raises:
            PipelineError: anything else, such as a branch name or a short name.

        """
        if not re.fullmatch(r"[0-9a-f]{40}([0-9a-f]{24})?", text):
            raise PipelineError.of(
                f"commit {text!r}",
                expected="40 or 64 hex digits",
                do="Pass the output of `git rev-parse HEAD`.",
            )
        return cls(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class GitState:
    """What tags are made from. A shallow clone knows fewer tags; the others are not guessed."""

    commit: Commit | None
    """HEAD; None where there is no git repository or no commit yet."""
    tags: tuple[str, ...] = ()
    """Git tags that name HEAD."""
    known: tuple[str, ...] = ()
    """Every git tag of the repository: an old version does not take `X.Y` from a newer one."""
    branch: str = ""
    """Short name; "" on a detached HEAD."""
    dirty: bool = False
    """Whether the working tree has changes that HEAD has not."""


async def git_state(repository: dagger.GitRepository, *, with_branch: bool = False) -> GitState:
    """Return the state of a repository's HEAD.

    A repository of a remote address has no working tree, so it is never dirty.

    Args:
        repository: local or remote.
        with_branch: find the branch, too: one question per branch where HEAD does not name it.

    """
    sha = await repository.head().commit()
    known = await repository.tags(patterns=["v*"])
    # A git tag is asked for one by one: the API lists names without commits.
    tags = [name for name in known if await repository.tag(name).commit() == sha]
    remote = bool(await repository.url())
    return GitState(
        commit=Commit.parse(sha),
        tags=tuple(tags),
        known=tuple(known),
        branch=await _branch(repository, sha) if with_branch else "",
        dirty=not remote and await _changed(repository.uncommitted()),
    )


async def _changed(changes: dagger.Changeset) -> bool:
    """Return whether anything is uncommitted.

    Engines since 1.0 leave their own lock file out of what they read from the host, so a committed one
    seems to be removed.
    """
    if await changes.is_empty():
        return False
    removed = [path for path in await changes.removed_paths() if PurePosixPath(path).name != ENGINE_LOCK]
    return bool(removed or await changes.added_paths() or await changes.modified_paths())


async def commit_time(builder: Builder, repository: dagger.GitRepository, commit: Commit) -> int:
    """Return when the commit was made, in seconds since 1970.

    Raises:
        dagger.ExecError: the repository does not have the commit.

    """
    printed = (
        builder.base()
        .with_mounted_directory("/programs", program_files("commit_time.py"))
        .with_mounted_directory("/in", repository.head().tree(depth=1).directory(".git"))
        .with_exec(["python3", "/programs/commit_time.py", "/in", commit.sha])
    )
    return int(await printed.stdout())


async def _branch(repository: dagger.GitRepository, sha: str) -> str:
    """Return the branch that HEAD is on, or "" when it is none or one of several."""
    ref = await repository.head().ref()
    if ref.startswith("refs/heads/"):
        return ref.removeprefix("refs/heads/")
    names = await repository.branches()
    found = [name for name in names if await repository.branch(name).commit() == sha]
    return found[0] if len(found) == 1 else ""
