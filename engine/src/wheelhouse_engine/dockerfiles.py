"""Build a Dockerfile with buildah's own builder."""

import asyncio
from dataclasses import replace
from pathlib import Path

from wheelhouse_engine.archives import config_of
from wheelhouse_engine.copying import copy_tree
from wheelhouse_engine.diskspace import is_full
from wheelhouse_engine.dockersteps import Steps
from wheelhouse_engine.engine import Engine
from wheelhouse_engine.errors import EngineError
from wheelhouse_engine.graph import Op, digest_of
from wheelhouse_engine.masking import Mask
from wheelhouse_engine.ops.image import pulled, storage_of
from wheelhouse_engine.runner import CommandError
from wheelhouse_engine.states import ContainerState, DirectoryState, Snapshot


async def build(engine: Engine, op: Op) -> ContainerState:
    """Return the container that a Dockerfile describes; raises EngineError with the builder's last lines."""
    context: DirectoryState = await engine.directory(op)
    name, target = op.args.get("dockerfile") or "Dockerfile", op.args.get("target") or ""
    build_args = [(a["name"], a["value"]) for a in op.args.get("buildArgs") or []]
    secrets = [await engine.evaluate(secret) for secret in op.args.get("secrets") or []]
    key = digest_of("dockerBuild", context.key, name, target, build_args, [s.key for s in secrets])
    async with engine.store.lock(key), engine.step(key, f"dockerBuild {name} {target}".rstrip()) as step:
        image = engine.recorded_image(key)
        step.cached = image is not None
        if image is None:
            source = await engine.path_of(context)
            await _stand_in_bases(engine, source / name)
            with engine.store.scratch(engine.session) as scratch:
                work = scratch / "context"
                await asyncio.to_thread(copy_tree, source, work)
                words = [f"--build-arg={n}={v}" for n, v in build_args]
                words += [f"--target={target}"] if target else []
                values = [await engine.secrets.plaintext(secret) for secret in secrets]
                for number, (secret, value) in enumerate(zip(secrets, values, strict=True)):
                    held = engine.buildah.tmpfs / f"build-secret-{key}-{number}"
                    held.write_text(value)
                    held.chmod(0o600)
                    words.append(f"--secret=id={secret.name},src={held}")
                mask = Mask.of(value.encode(errors="surrogateescape") for value in values)
                steps = Steps(lambda text: engine.progress.output(key, "stderr", text), mask)
                before = engine.buildah.stack.all_layers()
                try:
                    image = await engine.buildah.build(work, name, words, steps.sink)
                except CommandError as error:
                    if is_full(error.completed.error_text):
                        raise
                    raise steps.failure(error, (str(work), str(engine.store.root))) from error
            for layer in engine.buildah.stack.layers(image):
                if layer not in before:
                    engine.buildah.stack.mark_own(layer)
            engine.store.write(key, {"image": image})
    engine.images.add(image)
    image_id, config = await config_of(engine.runner, storage_of(engine), image)
    return replace(ContainerState(config=config), rootfs=Snapshot(digest_of("image", image_id), image_id))


async def _stand_in_bases(engine: Engine, dockerfile: Path) -> None:
    """Bring the images of FROM lines into storage under their names, so that the builder pulls nothing."""
    if not dockerfile.is_file():
        raise EngineError(f"failed to read {dockerfile.name}: no such file in the build context")
    stages: set[str] = set()
    for line in dockerfile.read_text(errors="replace").splitlines():
        words = [word for word in line.split() if not word.startswith("--")]
        if len(words) < 2 or words[0].upper() != "FROM":  # noqa: PLR2004 - FROM needs an image
            continue
        if words[1] not in stages and words[1] != "scratch" and "$" not in words[1]:
            state = await pulled(engine, ContainerState(), words[1])
            await engine.buildah.tag(str(state.rootfs.image if state.rootfs else ""), words[1])
        if len(words) == 4:  # noqa: PLR2004 - FROM image AS name
            stages.add(words[3])
