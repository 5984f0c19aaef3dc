"""GitRef: the files of a commit."""

import asyncio
import posixpath
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

from wheelhouse_engine.copying import Copying, copy_file, copy_tree
from wheelhouse_engine.engine import Engine
from wheelhouse_engine.errors import EngineError
from wheelhouse_engine.graph import Op, digest_of
from wheelhouse_engine.handlers import operation
from wheelhouse_engine.ops.filesystem import checked_directory
from wheelhouse_engine.ops.git import auth_of, folder_of, git, local_git_dir, place_of, resolve_ref
from wheelhouse_engine.states import ChangesetState, DirectoryState, GitState, Snapshot


@operation("GitRepository.uncommitted")
async def uncommitted(engine: Engine, op: Op) -> ChangesetState:
    """Return what a local repository's files have that its HEAD has not."""
    state: GitState = await engine.parent(op)
    if state.repository is None and not state.folder:
        raise EngineError("uncommitted changes exist only in a local repository")
    at_head = replace(state, ref="HEAD", commit=await resolve_ref(engine, state, "HEAD"))
    before = await checkout(engine, at_head)
    return ChangesetState(before, DirectoryState(await _worktree(engine, state)))


async def _worktree(engine: Engine, state: GitState) -> Snapshot:
    """Return what git would commit of a repository's files: all but those that it ignores."""
    source = await folder_of(engine, state)
    git_dir = await local_git_dir(engine, state)
    tree = {"GIT_DIR": str(git_dir), "GIT_WORK_TREE": str(source)}
    words = ("ls-files", "-z", "--cached", "--others", "--exclude-standard")
    listed = await git(engine, "-C", str(source), *words, env=tree)
    names = sorted({name for name in listed.text.split("\0") if name and not _is_folder(Path(source, name))})

    def make(made: Path) -> None:
        for name in names:
            # A file that git knows and nobody has is a removed one.
            if Path(source, name).exists() or Path(source, name).is_symlink():
                copy_file(Path(source, name), made, name, Copying())

    # A folder of this machine changes behind the engine's back: what was read once proves nothing later.
    key = state.repository.key if state.repository else uuid4().hex
    return await engine.tree(digest_of("worktree", key), make)


def _is_folder(path: Path) -> bool:
    """Tell a folder, which git names only for a repository inside the repository."""
    return path.is_dir() and not path.is_symlink()


@operation("GitRef.tree")
async def tree(engine: Engine, op: Op) -> DirectoryState:
    """Check the commit out."""
    state: GitState = await engine.parent(op)
    discard = op.args.get("discardGitDir", False) or not state.keep_git_dir
    how = Checkout(discard, op.args.get("depth", 1), op.args.get("includeTags", False))
    return await checkout(engine, state, how)


@dataclass(frozen=True, slots=True)
class Checkout:
    """Say what comes with the files of a commit."""

    discard_git_dir: bool = True
    depth: int = 1
    """Commits of history; 0 is all of it."""
    tags: bool = False


async def checkout(engine: Engine, state: GitState, how: Checkout = Checkout()) -> DirectoryState:
    """Return the files of a commit, with the .git directory unless it is not wanted."""
    place = await place_of(engine, state)
    origin = state.repository.key if state.repository else state.folder or state.url
    key = digest_of("checkout", origin, state.commit, how.discard_git_dir, how.depth, how.tags)
    if engine.store.has_tree(key):
        return DirectoryState(await engine.tree(key, lambda _: None))
    env = await auth_of(engine, state)
    async with engine.step(key, f"git {state.url or 'local'} {state.ref}"):
        with engine.store.scratch(engine.session) as scratch:
            work = scratch / "work"
            await git(engine, "init", "-q", str(work))
            options = ["--depth", str(how.depth)] if how.depth > 0 else []
            options += ["--tags"] if how.tags else []
            fetch = ["-c", "protocol.file.allow=always", "-C", str(work), "fetch", "-q", *options]
            await git(engine, *fetch, "--", place, state.commit, env=env)
            await git(
                engine, "-C", str(work), "-c", "advice.detachedHead=false", "checkout", "-q", state.commit
            )
            if how.discard_git_dir:
                await asyncio.to_thread(shutil.rmtree, work / ".git")
            return DirectoryState(await engine.tree(key, lambda made: copy_tree(work, made)))


async def repository_at(engine: Engine, text: str, *, resolved: bool) -> GitState:
    """Read `URL#ref` or a local path as a repository, or as the commit that its ref names."""
    place, _, ref = text.partition("#")
    is_url = "://" in place or "@" in place
    local = "" if is_url else str(engine.workdir / place)
    state = GitState(None, place if is_url else "", local, ref)
    if not resolved:
        return state
    return replace(state, ref=ref or "HEAD", commit=await resolve_ref(engine, state, ref or "HEAD"))


async def tree_at(engine: Engine, text: str) -> DirectoryState:
    """Return the directory that `URL#ref:subdir` names."""
    place, _, rest = text.partition("#")
    name, _, subdir = rest.partition(":")
    state = GitState(None, place)
    at = replace(state, ref=name or "HEAD", commit=await resolve_ref(engine, state, name or "HEAD"))
    found = await checkout(engine, at)
    if not subdir:
        return found
    return await checked_directory(engine, found.snapshot, posixpath.join("/", subdir), subdir)
