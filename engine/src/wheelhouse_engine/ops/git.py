"""GitRepository, GitRef: local and remote repositories through the git program."""

import re
import shlex
import urllib.parse
from dataclasses import replace
from pathlib import Path
from typing import Final

from wheelhouse_engine.engine import Engine
from wheelhouse_engine.errors import EngineError
from wheelhouse_engine.graph import Op, digest_of
from wheelhouse_engine.handlers import operation
from wheelhouse_engine.repositories import git_dir_of, settings_env, without_settings
from wheelhouse_engine.runner import Completed
from wheelhouse_engine.states import GitState

COMMIT: Final = re.compile(r"[0-9a-f]{40}")
VERSION: Final = re.compile(r"v(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?")
"""v1, v1.2, v1.2.3, v1.2.3-rc.1+build."""
PORTS: Final = {"http": 80, "https": 443, "git": 9418, "ssh": 22}
"""Where each scheme's server listens."""
REMOTE: Final = re.compile(r"(?!file:)(?:\w[\w+.-]*://|[^/]+@|[^/]+:)")
"""How an address that is not a path of this machine begins."""


async def git(engine: Engine, *words: str, env: dict[str, str] | None = None) -> Completed:
    """Run git; raises EngineError with what it said."""
    keep = {
        name: engine.environ[name]
        for name in ("PATH", "HOME", "SSH_AUTH_SOCK", "GIT_SSL_CAINFO")
        if name in engine.environ
    }
    quiet = {"GIT_TERMINAL_PROMPT": "0", **settings_env()}
    done = await engine.runner.run(["git", *words], env=keep | quiet | (env or {}))
    if done.returncode:
        raise EngineError(f"git {words[-1]}: {engine.secrets.scrub(done.error_text)}")
    return done


async def auth_of(engine: Engine, state: GitState) -> dict[str, str]:
    """Return the environment that tells git who asks and who answers, without an argument list."""
    settings: list[tuple[str, str]] = []
    if state.auth_header is not None or state.auth is not None:
        settings.append(("http.extraHeader", f"Authorization: {await _credentials(engine, state)}"))
    if state.service is not None:
        parts = urllib.parse.urlsplit(state.url)
        place = await engine.services.reach(engine, state.service, parts.port or PORTS.get(parts.scheme, 80))
        base = f"{parts.scheme}://{parts.netloc}/"
        settings.append((f"url.{parts.scheme}://{place}/.insteadOf", base))
    return settings_env(*settings) | _ssh(engine, state)


async def _credentials(engine: Engine, state: GitState) -> str:
    """Return the value of the Authorization header."""
    if state.auth_header is not None:
        return await engine.secrets.plaintext(state.auth_header)
    assert state.auth is not None  # noqa: S101 - who asks has looked
    import base64  # noqa: PLC0415 - only for private repositories

    pair = f"{state.auth[0]}:{await engine.secrets.plaintext(state.auth[1])}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


def _ssh(engine: Engine, state: GitState) -> dict[str, str]:
    """Return what ssh is to use: an agent's socket, and the hosts that are known."""
    env = {"SSH_AUTH_SOCK": state.ssh_socket} if state.ssh_socket else {}
    words = ["ssh", "-o", "BatchMode=yes"]
    if state.ssh_hosts:
        hosts = engine.buildah.tmpfs / f"known-hosts-{digest_of(state.ssh_hosts)}"
        hosts.write_text(state.ssh_hosts.rstrip("\n") + "\n")
        words += ["-o", f"UserKnownHostsFile={hosts}", "-o", "StrictHostKeyChecking=yes"]
    return env | {"GIT_SSH_COMMAND": shlex.join(words)}


async def place_of(engine: Engine, state: GitState) -> str:
    """Return what git reads the repository from: an address, or a git directory without foreign settings."""
    if state.repository is None and not state.folder:
        if state.url.startswith("-"):
            raise EngineError(f"git repository {state.url!r}: expected a URL")
        if REMOTE.match(state.url):
            return state.url
    return (await local_git_dir(engine, state)).as_uri()


async def local_git_dir(engine: Engine, state: GitState) -> Path:
    """Return a git directory with the content of a local repository and settings of our own."""
    path = await folder_of(engine, state)
    found = git_dir_of(path)
    # A directory of the graph is read as if nothing else were there.
    if found is None or (state.repository and not found.resolve().is_relative_to(path.resolve())):
        raise EngineError("not a git repository: no .git in this directory")
    return without_settings(found, engine.buildah.tmpfs)


async def folder_of(engine: Engine, state: GitState) -> Path:
    """Return the folder of a local repository."""
    if state.repository is not None:
        return await engine.path_of(state.repository)
    return Path(state.folder or urllib.parse.unquote(state.url.removeprefix("file://")))


@operation("Directory.asGit")
async def as_git(engine: Engine, op: Op) -> GitState:
    """Read a directory as a repository."""
    return GitState(await engine.directory(op))


async def _ref(engine: Engine, op: Op, ref: str) -> GitState:
    state: GitState = await engine.parent(op)
    return replace(state, ref=ref, commit=await resolve_ref(engine, state, ref))


async def resolve_ref(engine: Engine, state: GitState, ref: str) -> str:
    """Return the commit that a ref names now."""
    if COMMIT.fullmatch(ref):
        return ref
    place = await place_of(engine, state)
    done = await git(engine, "ls-remote", "--", place, env=await auth_of(engine, state))
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
    return await _ref(engine, op, f"refs/heads/{op.args['name'].removeprefix('refs/heads/')}")


@operation("GitRepository.tag")
async def tag(engine: Engine, op: Op) -> GitState:
    """Return a tag."""
    return await _ref(engine, op, f"refs/tags/{op.args['name'].removeprefix('refs/tags/')}")


@operation("GitRepository.ref")
async def ref(engine: Engine, op: Op) -> GitState:
    """Return a branch, a tag or a commit."""
    return await _ref(engine, op, op.args["name"])


@operation("GitRepository.commit")
async def commit(engine: Engine, op: Op) -> GitState:
    """Return a commit by its 40 hex digits."""
    if not COMMIT.fullmatch(op.args["id"]):
        raise EngineError(f'invalid commit SHA: "{op.args["id"]}"')
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
        "--",
        await place_of(engine, state),
        *(op.args.get("patterns") or []),
    ]
    done = await git(engine, *words, env=await auth_of(engine, state))
    return sorted(line.split("\t")[1].removeprefix(f"refs/{kind}/") for line in done.text.splitlines())


@operation("GitRepository.latestVersion")
async def latest_version(engine: Engine, op: Op) -> GitState:
    """Return the tag of the highest version, such as v1.10.0; a release comes after its candidates."""
    state: GitState = await engine.parent(op)
    done = await git(
        engine,
        "ls-remote",
        "--refs",
        "--tags",
        "--",
        await place_of(engine, state),
        env=await auth_of(engine, state),
    )
    tags = [line.split("\t")[1].removeprefix("refs/tags/") for line in done.text.splitlines()]
    versions = {tag: found for tag in tags if (found := VERSION.fullmatch(tag))}
    if not versions:
        raise EngineError(f"no valid semver tags found in {state.url or 'this directory'}, such as v1.2.3")
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
            place = await place_of(engine, one)
            fetch = ["-c", "protocol.file.allow=always", "-C", bare, "fetch", "-q", "--", place, one.commit]
            await git(engine, *fetch, env=await auth_of(engine, one))
        done = await git(engine, "-C", bare, "merge-base", state.commit, other.commit)
    return replace(state, ref=done.text.strip(), commit=done.text.strip())


@operation("GitRepository.url")
async def url(engine: Engine, op: Op) -> str | None:
    """Return the address of a remote repository, null for a local one."""
    state: GitState = await engine.parent(op)
    return state.url or None


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
