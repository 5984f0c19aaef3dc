"""Container: withExec."""

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, cast

from wheelhouse_engine import attaching, execs, terminals
from wheelhouse_engine.capturing import Capture
from wheelhouse_engine.containers import Ended
from wheelhouse_engine.copying import copy_file
from wheelhouse_engine.diskspace import free_bytes, no_space
from wheelhouse_engine.engine import Engine
from wheelhouse_engine.errors import EngineError, ExecError
from wheelhouse_engine.graph import Op, digest_of
from wheelhouse_engine.handlers import operation
from wheelhouse_engine.masking import shortened, text_of
from wheelhouse_engine.ops.config import expand
from wheelhouse_engine.runner import Stream
from wheelhouse_engine.states import (
    ContainerState,
    DirectoryState,
    ExecResult,
    FileState,
    Mount,
    Snapshot,
)

SIGNALLED: Final = range(128, 192)
"""Codes of a process ended by a signal: never what was expected. Source: `ReturnType`'s description."""

MEANING: Final = 2
"""Raised when an exec's result means something else than in results that a store has from earlier."""
FULL_BYTES: Final = 10**6
"""A disk with less space is full; what it refused may have been larger."""


@dataclass(frozen=True, slots=True)
class Request:
    """Hold one exec's arguments, expanded."""

    args: tuple[str, ...]
    stdin: str
    redirect_stdin: str
    redirect_stdout: str
    redirect_stderr: str
    expect: str
    all_capabilities: bool
    init: bool
    nested: bool

    @classmethod
    def of(cls, state: ContainerState, op: Op) -> "Request":
        """Read the arguments of `withExec`; raises EngineError when there is no command."""
        given: dict[str, Any] = dict(op.args)
        wanted = given.get("expand", False)
        words = given["args"] or list(state.config.cmd or ())
        if given.get("useEntrypoint"):
            words = [*(state.config.entrypoint or ()), *words]
        if not words:
            raise EngineError("no command has been set")
        if given.get("stdin") and given.get("redirectStdin"):
            raise EngineError("cannot set both stdin and redirectStdin")

        def path(name: str) -> str:
            text = given.get(name) or ""
            return state.resolve(expand(state, text, wanted=wanted)) if text else ""

        return cls(
            tuple(expand(state, word, wanted=wanted) for word in words),
            given.get("stdin") or "",
            path("redirectStdin"),
            path("redirectStdout"),
            path("redirectStderr"),
            given.get("expect") or "SUCCESS",
            given.get("insecureRootCapabilities", False),
            not given.get("noInit", False),
            given.get("experimentalPrivilegedNesting", False),
        )

    @property
    def command(self) -> execs.Command:
        """Return the process that runs."""
        targets: dict[Stream, str] = {"stdout": self.redirect_stdout, "stderr": self.redirect_stderr}
        return execs.Command(
            self.args,
            self.all_capabilities,
            self.init,
            nested=self.nested,
            redirects={stream: path for stream, path in targets.items() if path},
            stdin_from=self.redirect_stdin,
        )

    def accepts(self, code: int) -> bool:
        """Say whether an exit code is what the caller expects."""
        if self.expect == "SUCCESS":
            return code == 0
        if code in SIGNALLED:
            return False
        return self.expect == "ANY" or code != 0


@operation("Container.withExec")
async def with_exec(engine: Engine, op: Op) -> ContainerState:
    """Run a command; its file system, mounts and outputs are the new container's."""
    state = await engine.container(op)
    if state.gpus:
        raise EngineError(
            "GPU support is not enabled: the embedded engine gives execs no GPU. Use a Dagger engine."
        )
    request = Request.of(state, op)
    key = digest_of("exec", MEANING, state.key, _plain(request))
    done = _recorded(engine, state, key)
    if done is None:
        async with engine.store.lock(key), engine.step(key, f"exec {_shown(request.args)}") as step:
            done = _recorded(engine, state, key)
            step.cached = done is not None
            if done is None:
                done = await _run(engine, state, request, key)
    else:
        engine.progress.begin(key, f"exec {_shown(request.args)}")
        engine.progress.end(key, cached=True, error=None, seconds=0.0)
    return done


def _plain(request: Request) -> list[object]:
    return [getattr(request, name) for name in request.__dataclass_fields__]


def _shown(args: tuple[str, ...]) -> str:
    return " ".join(args)


def _recorded(engine: Engine, state: ContainerState, key: str) -> ContainerState | None:
    """Return what an equal exec gave, if all of it is still in the store."""
    record = engine.store.read(key)
    if record is None:
        return None
    image = engine.recorded_image(key)
    if image is None or not all(engine.store.has_tree(tree) for tree, _ in record["mounts"].values()):
        engine.store.forget(key)
        return None
    return _after(state, key, image, record["mounts"], ExecResult(**record["result"]))


def _after(
    state: ContainerState, key: str, image: str, mounts: dict[str, Any], result: ExecResult
) -> ContainerState:
    """Return the container after an exec: new file system, changed mounts."""
    changed = tuple(
        replace(mount, source=_changed(mount, *mounts[mount.target])) if mount.target in mounts else mount
        for mount in state.mounts
    )
    return replace(state, rootfs=Snapshot(key, image), mounts=changed, last=result, image_ref="")


def _changed(mount: Mount, tree: str, path: str) -> DirectoryState | FileState:
    return FileState(Snapshot(tree), path) if mount.kind == "file" else DirectoryState(Snapshot(tree))


async def _run(engine: Engine, state: ContainerState, request: Request, key: str) -> ContainerState:
    """Run the exec for real and record it; raises ExecError, and then records nothing."""
    image = await engine.rootfs_image(state.rootfs)
    command = request.command
    with engine.store.scratch(engine.session) as scratch:
        async with (
            engine.services.bound(engine, state.bindings) as hosts,
            attaching.caches(engine, state) as folders,
            engine.buildah.working(image) as working,
        ):
            command = replace(command, caches=folders, hosts=hosts)
            async with execs.laid(engine, state, command, working, scratch) as laid:
                completed, capture = await _process(engine, request, laid, key)
                try:
                    result = _result(engine, request, completed, capture)
                except ExecError as error:
                    await terminals.after_failure(engine, laid, error)
                    raise
            await asyncio.to_thread(execs.clear, laid)
            mounts = await _keep_mounts(engine, state, laid, key)
            committed = await engine.buildah.commit(working)
    engine.images.add(committed)
    await engine.seal_image(committed)
    engine.store.write(
        key,
        {
            "image": committed,
            "mounts": mounts,
            "result": {name: getattr(result, name) for name in ExecResult.__dataclass_fields__},
        },
    )
    return _after(state, key, committed, mounts, result)


async def _process(engine: Engine, request: Request, laid: attaching.Laid, key: str) -> tuple[Ended, Capture]:
    """Run the process; return its end and its output."""
    stdin = request.stdin.encode(errors="surrogateescape") if laid.stdin is None else laid.stdin
    capture = Capture(laid.mask, lambda stream, text: engine.progress.output(key, stream, text), laid.files)
    completed = await engine.containers.run(laid.bundle, stdin=stdin, sink=capture.sink)
    capture.close()
    return completed, capture


def _result(engine: Engine, request: Request, completed: Ended, capture: Capture) -> ExecResult:
    """Return the outputs; raises ExecError for an end that was not expected.

    EngineError: the process never began, or runc was ended; StoreError
    where the disk is full. Neither is an answer, whatever was expected.
    """
    missing = execs.not_found(completed)
    if completed.failure and not missing:
        raise execs.runtime_failure(engine, completed)
    code = 1 if missing else completed.returncode
    stdout = capture.output("stdout")
    stderr = missing[0].encode() + missing[1] if missing else capture.output("stderr")
    if code and free_bytes(engine.store.root) < FULL_BYTES:
        raise no_space(engine.store.root)  # what the process met is no answer to be kept
    if missing or not request.accepts(code):
        raise ExecError(request.args, code, shortened(stdout), shortened(stderr))
    return ExecResult(text_of(stdout), text_of(stderr), text_of(capture.combined()), code)


async def _keep_mounts(
    engine: Engine, state: ContainerState, laid: attaching.Laid, key: str
) -> dict[str, tuple[str, str]]:
    """Make trees of the mounts that the exec wrote to; return target -> tree key and path."""
    kept: dict[str, tuple[str, str]] = {}
    for mount in state.mounts:
        tree = digest_of(key, "mount", mount.target)
        overlay = laid.over.get(mount.target)
        if overlay is not None and overlay.changed():
            await engine.tree(tree, lambda made, o=overlay: _flatten(o, made))  # type: ignore[misc]
            kept[mount.target] = (tree, "/")
        copy = laid.copies.get(mount.target)
        if copy is not None:
            name = cast("FileState", mount.source).name
            await engine.tree(tree, lambda made, c=copy, n=name: copy_file(c, made, n))  # type: ignore[misc]
            kept[mount.target] = (tree, f"/{name}")
    return kept


def _flatten(overlay: Any, made: Path) -> None:
    made.rmdir()
    overlay.flatten(made)
