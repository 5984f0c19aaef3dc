"""Changeset: what leads from one directory to another, as lists, a patch or a merge."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from wheelhouse_engine.comparing import Changes, changes, diff
from wheelhouse_engine.copying import Copying, clone, copy_file
from wheelhouse_engine.engine import Engine
from wheelhouse_engine.errors import EngineError, UnsupportedError
from wheelhouse_engine.files import make_directory, remove, write_file
from wheelhouse_engine.graph import Op, digest_of
from wheelhouse_engine.handlers import operation
from wheelhouse_engine.ops.directory import At, edit
from wheelhouse_engine.ops.values import many
from wheelhouse_engine.paths import resolve
from wheelhouse_engine.runner import Completed
from wheelhouse_engine.states import ChangesetState, DirectoryState, FileState

KINDS: Final = {"A": "ADDED", "M": "MODIFIED", "T": "MODIFIED", "D": "REMOVED", "R": "RENAMED"}
"""git's status letter -> DiffStatKind."""
DIFFERENT: Final = 1
"""Exit status of `git diff --no-index` when it found differences."""


async def state_of(engine: Engine, op: Op) -> ChangesetState:
    """Evaluate the changeset that the field is asked on."""
    state: ChangesetState = await engine.parent(op)
    return state


@operation("Directory.changes")
async def changes_(engine: Engine, op: Op) -> ChangesetState:
    """Return the changes that lead from another directory to this one."""
    return ChangesetState(await engine.evaluate(op.args["from"]), await engine.directory(op))


@operation("Query.changeset")
async def empty(engine: Engine, _op: Op) -> ChangesetState:
    """Return the changeset that changes nothing."""
    nothing = DirectoryState(await engine.tree("empty", lambda _: None))
    return ChangesetState(nothing, nothing)


@operation("Directory.withChanges")
async def with_changes(engine: Engine, op: Op) -> DirectoryState:
    """Apply a changeset."""
    changeset: ChangesetState = await engine.evaluate(op.args["changes"])
    found = await changes_of(engine, changeset)
    after = await engine.path_of(changeset.after)
    key = [changeset.before.key, changeset.after.key]

    def apply(root: Path, at: At) -> None:
        apply_changes(found, after, resolve(root, at("/")), Copying())

    return await edit(engine, op, key, apply)


def apply_changes(found: Changes, after: Path, root: Path, copying: Copying) -> None:
    """Remove what is gone and copy what is new or changed."""
    for path in found.removed:
        remove(root, path, allow_wildcard=False)
    for path in (*found.added, *found.modified):
        if path.endswith("/"):
            make_directory(root, path)
        else:
            copy_file(after / path, root, path, copying)


async def changes_of(engine: Engine, state: ChangesetState) -> Changes:
    """Compare the two sides of a changeset."""
    before, after = await engine.path_of(state.before), await engine.path_of(state.after)
    return await asyncio.to_thread(changes, before, after)


@operation("Changeset.before")
async def before(engine: Engine, op: Op) -> DirectoryState:
    """Return the older side."""
    return (await state_of(engine, op)).before


@operation("Changeset.after")
async def after(engine: Engine, op: Op) -> DirectoryState:
    """Return the newer side."""
    return (await state_of(engine, op)).after


@operation("Changeset.layer")
async def layer(engine: Engine, op: Op) -> DirectoryState:
    """Return only what was added or modified."""
    state = await state_of(engine, op)
    lower, upper = await engine.path_of(state.before), await engine.path_of(state.after)
    key = digest_of("diff", state.before.key, state.after.key)
    return DirectoryState(await engine.tree(key, lambda made: diff(lower, upper, made)))


@operation("Changeset.addedPaths", "Changeset.modifiedPaths", "Changeset.removedPaths", "Changeset.isEmpty")
async def paths(engine: Engine, op: Op) -> Any:
    """List paths by what happened to them."""
    found = await changes_of(engine, await state_of(engine, op))
    if op.field == "isEmpty":
        return found.is_empty
    return list(getattr(found, op.field.removesuffix("Paths")))


@operation("Changeset.sync")
async def sync(engine: Engine, op: Op) -> str:
    """Make both sides."""
    await engine.parent(op)
    assert op.parent is not None  # noqa: S101 - `parent` found it
    return op.parent.digest


async def _git_diff(engine: Engine, state: ChangesetState, *options: str) -> Completed:
    """Compare the sides with git, as folders `a` and `b`."""
    sides = {"a": await engine.path_of(state.before), "b": await engine.path_of(state.after)}
    with engine.store.scratch(engine.session) as scratch:
        for name, path in sides.items():
            await asyncio.to_thread(clone, path, scratch / name)
        words = [
            "git",
            "-C",
            str(scratch),
            "diff",
            "--no-index",
            "--no-prefix",
            "--no-color",
            "--no-ext-diff",
            "--no-textconv",
            *options,
            "a",
            "b",
        ]
        env = {"PATH": engine.environ.get("PATH", ""), "GIT_CONFIG_GLOBAL": "/dev/null"}
        # The store may be inside somebody's repository, whose settings are not ours.
        env["GIT_CEILING_DIRECTORIES"] = str(scratch.parent)
        done = await engine.runner.run(words, env=env)
    if done.returncode > DIFFERENT:
        raise EngineError(f"git diff: {done.error_text}")
    return done


@operation("Changeset.asPatch")
async def as_patch(engine: Engine, op: Op) -> FileState:
    """Return the changes as a patch that git can apply."""
    state = await state_of(engine, op)
    key = digest_of("patch", state.before.key, state.after.key)
    if not engine.store.has_tree(key):
        done = await _git_diff(engine, state, "--binary")
        await engine.tree(key, lambda made: write_file(made, "changes.patch", done.stdout, 0o644))
    return FileState(await engine.tree(key, lambda _: None), "/changes.patch")


@operation("Changeset.diffStats")
async def diff_stats(engine: Engine, op: Op) -> list[Op]:
    """Count added and removed lines by path."""
    state = await state_of(engine, op)
    numbers = (await _git_diff(engine, state, "--numstat", "-z", "-M")).stdout
    letters = (await _git_diff(engine, state, "--name-status", "-z", "-M")).stdout
    return many(engine, op, _stats(_words(numbers), _words(letters)))


def _words(data: bytes) -> list[str]:
    return data.decode(errors="surrogateescape").split("\0")[:-1]


def _stats(numbers: list[str], letters: list[str]) -> list[dict[str, Any]]:
    """Join what `--numstat -z` and `--name-status -z` say: the same paths in the same order."""
    kinds: list[tuple[str, str, str]] = []
    words = iter(letters)
    for letter in words:
        old = next(words)
        kinds.append((KINDS[letter[0]], old, next(words) if letter[0] == "R" else old))
    words = iter(numbers)
    stats: list[dict[str, Any]] = []
    for (kind, old, new), counts in zip(kinds, words, strict=False):
        added, removed, name = counts.split("\t", 2)
        if not name:  # old and new name follow
            next(words), next(words)
        stats.append(
            {
                "path": new[2:],
                "oldPath": old[2:] if kind == "RENAMED" else None,
                "kind": kind,
                "addedLines": int(added) if added.isdecimal() else 0,
                "removedLines": int(removed) if removed.isdecimal() else 0,
            }
        )
    return stats


@operation("Changeset.withChangeset")
async def with_changeset(engine: Engine, op: Op) -> ChangesetState:
    """Merge another changeset, file by file; lines of one file are not merged."""
    other: ChangesetState = await engine.evaluate(op.args["changes"])
    return await _merged(engine, await state_of(engine, op), [other], op.args.get("onConflict") or "FAIL")


@operation("Changeset.withChangesets")
async def with_changesets(engine: Engine, op: Op) -> ChangesetState:
    """Merge several changesets, file by file."""
    others: list[ChangesetState] = [await engine.evaluate(one) for one in op.args["changes"]]
    return await _merged(engine, await state_of(engine, op), others, op.args.get("onConflict") or "FAIL")


async def _merged(
    engine: Engine, state: ChangesetState, others: Sequence[ChangesetState], on_conflict: str
) -> ChangesetState:
    """Apply changesets one after the other; raises EngineError for a path that two of them change."""
    if on_conflict == "LEAVE_CONFLICT_MARKERS":
        raise UnsupportedError("Changeset.withChangeset(onConflict: LEAVE_CONFLICT_MARKERS)")
    found = [await changes_of(engine, one) for one in (state, *others)]
    counts = Counter(path for one in found for path in _touched(one))
    conflicts = sorted(path for path, count in counts.items() if count > 1)
    if conflicts and on_conflict in ("FAIL", "FAIL_EARLY"):
        raise EngineError(f"changesets conflict in {', '.join(conflicts[:10])}")
    kept = frozenset(_touched(found[0])) if on_conflict == "PREFER_OURS" else frozenset()
    merged = state.after
    for one, changed in zip(others, found[1:], strict=True):
        merged = await _applied(engine, merged, one, _without(changed, kept))
    return replace(state, after=merged)


async def _applied(
    engine: Engine, base: DirectoryState, changeset: ChangesetState, found: Changes
) -> DirectoryState:
    source = await engine.path_of(changeset.after)
    what = ["merge", changeset.before.key, changeset.after.key, found.added, found.modified, found.removed]

    def apply(root: Path) -> None:
        apply_changes(found, source, resolve(root, base.path), Copying())

    return await engine.edited(base, what, apply)


def _touched(found: Changes) -> list[str]:
    return [p for p in (*found.added, *found.modified, *found.all_removed) if not p.endswith("/")]


def _without(found: Changes, kept: frozenset[str]) -> Changes:
    def rest(listed: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(path for path in listed if path not in kept)

    return Changes(rest(found.added), rest(found.modified), rest(found.removed), rest(found.all_removed))
