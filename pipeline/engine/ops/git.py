"""GitRepository, GitRef: local and remote repositories through the git program."""

import asyncio
import posixpath
import re
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from uuid import uuid4

from pipeline.engine.copying import Copying, copy_file, copy_tree
from pipeline.engine.engine import Engine
from pipeline.engine.errors import EngineError
from pipeline.engine.graph import Op, digest_of
from pipeline.engine.handlers import operation
from pipeline.engine.ops.filesystem import checked_directory
from pipeline.engine.runner import Completed
from pipeline.engine.states import ChangesetState, DirectoryState, GitState, Snapshot

HEX_DIGITS: Final = 40
VERSION: Final = re.compile(r"v?(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?")
"""v1, v1.2, v1.2.3, v1.2.3-rc.1+build."""
QUIET: Final = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "safe.directory",
    "GIT_CONFIG_VALUE_0": "*",
}


async def git(engine: Engine, *words: str, env: dict[str, str] | None = None) -> Completed:
    """Run git; raises EngineError with what it said."""
    keep = {
        name: engine.environ[name]
        for name in ("PATH", "HOME", "SSH_AUTH_SOCK", "GIT_SSL_CAINFO")
        if name in engine.environ
    }
    done = await engine.runner.run(["git", *words], env=keep | QUIET | (env or {}))
    if done.returncode:
        raise EngineError(f"git {words[-1]}: {engine.secrets.scrub(done.error_text)}")
    return done


async def _auth(engine: Engine, state: GitState) -> dict[str, str]:
    """Return the environment that hands a token to git without an argument list."""
    if state.auth_header is not None:
        header = f"Authorization: {await engine.secrets.plaintext(state.auth_header)}"
        return {"GIT_CONFIG_COUNT": "2", "GIT_CONFIG_KEY_1": "http.extraHeader", "GIT_CONFIG_VALUE_1": header}
    if state.auth is None:
        return {}
    import base64  # noqa: PLC0415 - only for private repositories

    pair = f"{state.auth[0]}:{await engine.secrets.plaintext(state.auth[1])}"
    header = f"Authorization: Basic {base64.b64encode(pair.encode()).decode()}"
    return {
        "GIT_CONFIG_COUNT": "2",
        "GIT_CONFIG_KEY_1": "http.extraHeader",
        "GIT_CONFIG_VALUE_1": header,
    }


async def _place(engine: Engine, state: GitState) -> str:
    """Return what git reads the repository from."""
    if state.repository is None:
        return state.folder or state.url
    path = await engine.path_of(state.repository)
    if not (path / ".git").exists() and not (path / "HEAD").exists():
        raise EngineError("not a git repository: no .git in this directory")
    return str(path)


@operation("Directory.asGit")
async def as_git(engine: Engine, op: Op) -> GitState:
    """Read a directory as a repository."""
    return GitState(await engine.directory(op))


async def _ref(engine: Engine, op: Op, ref: str) -> GitState:
    state: GitState = await engine.parent(op)
    return replace(state, ref=ref, commit=await _resolve(engine, state, ref))


async def _resolve(engine: Engine, state: GitState, ref: str) -> str:
    """Return the commit that a ref names now."""
    if len(ref) == HEX_DIGITS and all(c in "0123456789abcdef" for c in ref):
        return ref
    place = await _place(engine, state)
    done = await git(engine, "ls-remote", place, env=await _auth(engine, state))
    found = {name: commit for commit, name in (line.split("\t") for line in done.text.splitlines())}
    for name in (ref, f"refs/tags/{ref}^{{}}", f"refs/tags/{ref}", f"refs/heads/{ref}", f"{ref}^{{}}"):
        if name in found:
            return found.get(f"{name}^{{}}", found[name])
    raise EngineError(f"git ref {ref!r} was not found in {state.url or 'this directory'}")


@operation("GitRepository.head")
async def head(engine: Engine, op: Op) -> GitState:
    """Return what HEAD names."""
    return await _ref(engine, op, "HEAD")


@operation("GitRepository.branch")
async def branch(engine: Engine, op: Op) -> GitState:
    """Return a branch."""
    return await _ref(engine, op, f"refs/heads/{op.args['name']}")


@operation("GitRepository.tag")
async def tag(engine: Engine, op: Op) -> GitState:
    """Return a tag."""
    return await _ref(engine, op, f"refs/tags/{op.args['name']}")


@operation("GitRepository.ref")
async def ref(engine: Engine, op: Op) -> GitState:
    """Return a branch, a tag or a commit."""
    return await _ref(engine, op, op.args["name"])


@operation("GitRepository.commit")
async def commit(engine: Engine, op: Op) -> GitState:
    """Return a commit by its 40 hex digits."""
    return await _ref(engine, op, op.args["id"])


@operation("GitRepository.tags", "GitRepository.branches")
async def names(engine: Engine, op: Op) -> list[str]:
    """List tags or branches, short names."""
    state: GitState = await engine.parent(op)
    kind = "tags" if op.field == "tags" else "heads"
    words = [
        "ls-remote",
        "--refs",
        f"--{kind}",
        await _place(engine, state),
        *(op.args.get("patterns") or []),
    ]
    done = await git(engine, *words, env=await _auth(engine, state))
    return sorted(line.split("\t")[1].removeprefix(f"refs/{kind}/") for line in done.text.splitlines())


@operation("GitRepository.latestVersion")
async def latest_version(engine: Engine, op: Op) -> GitState:
    """Return the tag of the highest version, such as v1.10.0; a release comes after its candidates."""
    state: GitState = await engine.parent(op)
    done = await git(
        engine, "ls-remote", "--refs", "--tags", await _place(engine, state), env=await _auth(engine, state)
    )
    tags = [line.split("\t")[1].removeprefix("refs/tags/") for line in done.text.splitlines()]
    versions = {tag: found for tag in tags if (found := VERSION.fullmatch(tag))}
    if not versions:
        raise EngineError(f"no tag of {state.url or 'this directory'} is a version such as v1.2.3")
    return await _ref(engine, op, f"refs/tags/{max(versions, key=lambda tag: _rank(versions[tag]))}")


def _rank(version: re.Match[str]) -> tuple[object, ...]:
    """Return what orders versions. Source: semver.org, precedence."""
    candidate = [
        (0, int(part), "") if part.isdecimal() else (1, 0, part)
        for part in (version.group(4) or "").split(".")
    ]
    return (*(int(version.group(n) or 0) for n in (1, 2, 3)), version.group(4) is None, candidate)


@operation("GitRef.commonAncestor")
async def common_ancestor(engine: Engine, op: Op) -> GitState:
    """Return the best commit that both refs descend from; their whole history is read."""
    state: GitState = await engine.parent(op)
    other: GitState = await engine.evaluate(op.args["other"])
    with engine.store.scratch(engine.session) as scratch:
        bare = str(scratch / "bare")
        await git(engine, "init", "-q", "--bare", bare)
        for one in (state, other):
            place = await _place(engine, one)
            source = f"file://{place}" if one.repository or one.folder else place
            fetch = ["-c", "protocol.file.allow=always", "-C", bare, "fetch", "-q", source, one.commit]
            await git(engine, *fetch, env=await _auth(engine, one))
        done = await git(engine, "-C", bare, "merge-base", state.commit, other.commit)
    return replace(state, ref=done.text.strip(), commit=done.text.strip())


@operation("GitRepository.url")
async def url(engine: Engine, op: Op) -> str | None:
    """Return the address of a remote repository, null for a local one."""
    state: GitState = await engine.parent(op)
    return state.url or None


@operation("GitRepository.uncommitted")
async def uncommitted(engine: Engine, op: Op) -> ChangesetState:
    """Return what a local repository's files have that its HEAD has not."""
    state: GitState = await engine.parent(op)
    if state.repository is None and not state.folder:
        raise EngineError("uncommitted changes exist only in a local repository")
    at_head = replace(state, ref="HEAD", commit=await _resolve(engine, state, "HEAD"))
    before = await _checkout(engine, at_head)
    return ChangesetState(before, DirectoryState(await _worktree(engine, state)))


async def _worktree(engine: Engine, state: GitState) -> Snapshot:
    """Return what git would commit of a repository's files: all but those that it ignores."""
    source = await _place(engine, state)
    listed = await git(engine, "-C", source, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
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


@operation("GitRef.commit")
async def ref_commit(engine: Engine, op: Op) -> str:
    """Return the 40 hex digits of the commit."""
    state: GitState = await engine.parent(op)
    return state.commit


@operation("GitRef.ref")
async def ref_ref(engine: Engine, op: Op) -> str:
    """Return the full name of the ref."""
    state: GitState = await engine.parent(op)
    return state.ref


@operation("GitRef.tree")
async def tree(engine: Engine, op: Op) -> DirectoryState:
    """Check the commit out."""
    state: GitState = await engine.parent(op)
    discard = op.args.get("discardGitDir", False) or not state.keep_git_dir
    how = Checkout(discard, op.args.get("depth", 1), op.args.get("includeTags", False))
    return await _checkout(engine, state, how)


@dataclass(frozen=True, slots=True)
class Checkout:
    """Say what comes with the files of a commit."""

    discard_git_dir: bool = True
    depth: int = 1
    """Commits of history; 0 is all of it."""
    tags: bool = False


async def _checkout(engine: Engine, state: GitState, how: Checkout = Checkout()) -> DirectoryState:
    """Return the files of a commit, with the .git directory unless it is not wanted."""
    place = await _place(engine, state)
    origin = state.repository.key if state.repository else state.folder or state.url
    key = digest_of("checkout", origin, state.commit, how.discard_git_dir, how.depth, how.tags)
    if engine.store.has_tree(key):
        return DirectoryState(await engine.tree(key, lambda _: None))
    env = await _auth(engine, state)
    async with engine.step(key, f"git {state.url or 'local'} {state.ref}"):
        with engine.store.scratch(engine.session) as scratch:
            work = scratch / "work"
            await git(engine, "init", "-q", str(work))
            source = f"file://{place}" if state.repository or state.folder else place
            options = ["--depth", str(how.depth)] if how.depth > 0 else []
            options += ["--tags"] if how.tags else []
            local = ["-c", "uploadpack.allowAnySHA1InWant=true", "-c", "protocol.file.allow=always"]
            await git(engine, *local, "-C", str(work), "fetch", "-q", *options, source, state.commit, env=env)
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
    return replace(state, ref=ref or "HEAD", commit=await _resolve(engine, state, ref or "HEAD"))


async def tree_at(engine: Engine, text: str) -> DirectoryState:
    """Return the directory that `URL#ref:subdir` names."""
    place, _, rest = text.partition("#")
    name, _, subdir = rest.partition(":")
    state = GitState(None, place)
    at = replace(state, ref=name or "HEAD", commit=await _resolve(engine, state, name or "HEAD"))
    found = await _checkout(engine, at)
    if not subdir:
        return found
    return await checked_directory(engine, found.snapshot, posixpath.join("/", subdir), subdir)
