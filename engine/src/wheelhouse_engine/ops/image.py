"""Container: images in and out: from, import, asTarball, export, publish, dockerBuild."""

import asyncio
import contextlib
import datetime as dt
import os
import shutil
import urllib.parse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from wheelhouse_engine import archives, oci
from wheelhouse_engine.bases import BaseImages
from wheelhouse_engine.credentials import Credentials
from wheelhouse_engine.diskspace import readable
from wheelhouse_engine.engine import Engine
from wheelhouse_engine.errors import EngineError, UnsupportedError
from wheelhouse_engine.graph import Op, digest_of
from wheelhouse_engine.handlers import operation, refuse
from wheelhouse_engine.layers import Compression, LayerCache, Storage
from wheelhouse_engine.ops.config import expand
from wheelhouse_engine.ops.file import host_path
from wheelhouse_engine.ops.query import host_platform
from wheelhouse_engine.references import Reference
from wheelhouse_engine.registry import Registry, mirror_from
from wheelhouse_engine.runner import checked
from wheelhouse_engine.states import ContainerState, FileState, ServiceState, Snapshot


def storage_of(engine: Engine) -> Storage:
    """Return the engine's containers-storage."""
    return Storage(engine.store.storage, engine.store.runroot)


def registry_of(engine: Engine) -> Registry:
    """Return the session's way to registries; it remembers who does not answer."""
    if engine.registry is None:
        engine.registry = Registry(engine.runner, storage_of(engine), mirror_from(engine.environ))
    return engine.registry


async def registry_for(engine: Engine, op: Op, reference: Reference) -> Registry:
    """Return the way to the registry of an image: over the service that was given for it, if one was."""
    if not op.args.get("registryService"):
        return registry_of(engine)
    service: ServiceState = await engine.evaluate(op.args["registryService"])
    port = urllib.parse.urlsplit(f"//{reference.domain}").port or 80
    place = await engine.services.reach(engine, service, port)
    return Registry(engine.runner, storage_of(engine), {reference.domain: place}, trusted=True)


async def credentials_for(engine: Engine, reference: Reference) -> Credentials | None:
    """Return what `withRegistryAuth` gave for a registry."""
    if reference.domain not in engine.auth:
        return None
    username, secret = engine.auth[reference.domain]
    return Credentials(username, await engine.secrets.plaintext(secret))


def bases_of(engine: Engine, registry: Registry, key: str) -> BaseImages:
    """Return what resolves addresses of images, showing its progress under a step's key."""
    return BaseImages(
        engine.runner,
        storage_of(engine),
        registry,
        engine.store.root / "bases",
        lambda line: engine.progress.output(key, "stderr", f"{line.rstrip()}\n"),
        engine.progress.warn,
    )


async def pulled(
    engine: Engine, state: ContainerState, address: str, registry: Registry | None = None
) -> ContainerState:
    """Return the container of an image: its file system and its configuration."""
    reference = Reference.parse(address)
    key = digest_of("from", str(reference))
    if engine.bases is None:
        engine.bases = bases_of(engine, registry_of(engine), key)
    bases = bases_of(engine, registry, key) if registry else engine.bases
    async with engine.step(key, f"from {address}") as step:
        credentials = await credentials_for(engine, reference)
        step.cached = f"{reference} {host_platform()}" in bases.records()
        base = await bases.resolve(address, host_platform(), credentials)
    engine.store.used(base.image_id)
    snapshot = Snapshot(digest_of("image", base.image_id), base.image_id)
    env = tuple(base.config.env)
    given = state.env()
    env += tuple(
        f"{name}={value}" for name, value in given.items() if name not in dict(e.split("=", 1) for e in env)
    )
    config = replace(base.config, env=env)
    return replace(
        state,
        rootfs=snapshot,
        config=config,
        image_ref=str(reference.at(base.digest)) if base.digest else str(reference),
    )


@operation("Container.from")
async def from_(engine: Engine, op: Op) -> ContainerState:
    """Start from an image of a registry, of the store, or from a stand-in of Debian packages."""
    address = op.args["address"]
    registry = await registry_for(engine, op, Reference.parse(address))
    given = registry if op.args.get("registryService") else None
    return await pulled(engine, await engine.container(op), address, given)


@operation("Container.import")
async def import_(engine: Engine, op: Op) -> ContainerState:
    """Start from an image archive."""
    state = await engine.container(op)
    source: FileState = await engine.evaluate(op.args["source"])
    path = await engine.path_of(source)
    async with engine.step(digest_of("import", source.key), f"import {source.name}"):
        loaded = await archives.read_image(
            engine.runner, storage_of(engine), path, tag=op.args.get("tag") or "", platform=host_platform()
        )
    engine.images.add(loaded.image_id)
    snapshot = Snapshot(digest_of("image", loaded.image_id), loaded.image_id)
    return replace(state, rootfs=snapshot, config=loaded.config, image_ref="")


def domain_of(address: str) -> str:
    """Return the registry of an image address, or of a bare host such as `ghcr.io`."""
    if "/" not in address and (set(".:") & set(address) or address == "localhost"):
        return address
    return Reference.parse(address).domain


@operation("Container.withRegistryAuth")
async def with_registry_auth(engine: Engine, op: Op) -> ContainerState:
    """Keep credentials for one registry host until the session ends."""
    state = await engine.container(op)
    domain = domain_of(op.args["address"])
    engine.auth[domain] = (op.args["username"], await engine.evaluate(op.args["secret"]))
    return state


@operation("Container.withoutRegistryAuth")
async def without_registry_auth(engine: Engine, op: Op) -> ContainerState:
    """Forget the credentials of one registry host."""
    state = await engine.container(op)
    engine.auth.pop(domain_of(op.args["address"]), None)
    return state


async def layout_for(engine: Engine, op: Op, tag: str = "") -> oci.Layout:
    """Return the image that an exporting field asks for, not yet written."""
    first = await engine.container(op)
    states = [] if first.rootfs is None and op.args.get("platformVariants") else [first]
    states += [await engine.evaluate(variant) for variant in op.args.get("platformVariants") or []]
    images = [
        oci.Image(
            config=state.config, image_id=await engine.rootfs_image(state.rootfs), created=_created(engine)
        )
        for state in states
    ]
    form = oci.Form(
        Compression.parse(op.args.get("forcedCompression") or "Gzip"),
        oci.MediaTypes(op.args.get("mediaTypes") or "OCIMediaTypes"),
        tag,
    )
    cache = LayerCache(engine.store.root / "blobs", engine.runner, storage_of(engine))
    with _locked(engine, images):
        async with engine.step(digest_of("layout", op.digest), f"image {op.field}"):
            return await oci.layout_of(cache, images, form)


@contextlib.contextmanager
def _locked(engine: Engine, images: Sequence[oci.Image]) -> Iterator[None]:
    """Lock the layers of images while they are packed.

    Raises EngineError for a layer that is being packed for another archive: a Dagger engine (0.21, 1.0)
    fails then in most tries, so that a module which asks for two at once is wrong.
    """
    layers = {layer for one in images if one.image_id for layer in engine.buildah.stack.layers(one.image_id)}
    if shared := sorted(layers & engine.packing):
        raise EngineError(
            f"failed to open writer: ref {shared[0][:12]} locked: another archive with this layer is being "
            "written. Ask for one archive of an image, then for the next."
        )
    engine.packing |= layers
    try:
        yield
    finally:
        engine.packing -= layers


def _created(engine: Engine) -> str:
    """Return the image's time: SOURCE_DATE_EPOCH where it is set, so that equal inputs give equal bytes."""
    epoch = engine.environ.get("SOURCE_DATE_EPOCH", "0")
    if not epoch.isdecimal():
        raise EngineError(f"SOURCE_DATE_EPOCH is {epoch!r}, expected seconds since 1970")
    return dt.datetime.fromtimestamp(int(epoch), dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@operation("Container.asTarball")
async def as_tarball(engine: Engine, op: Op) -> FileState:
    """Return the image as an OCI archive."""
    layout = await layout_for(engine, op)
    key = digest_of("tarball", layout.digest)
    return FileState(
        await engine.tree(key, lambda made: layout.write_archive(made / "image.tar")), "/image.tar"
    )


@operation("Container.export")
async def export(engine: Engine, op: Op) -> str:
    """Write the image to the host as an OCI archive."""
    state = await engine.container(op)
    target = host_path(engine, expand(state, op.args["path"], wanted=op.args.get("expand", False)))
    if target.is_dir():
        raise EngineError(f"destination {op.args['path']!r} is a directory; must be a file path")
    layout = await layout_for(engine, op)
    try:
        await asyncio.to_thread(_write, layout, target)
    except OSError as error:
        raise readable(error, engine.store.root, target) from error
    return str(target)


def _write(layout: oci.Layout, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    layout.write_archive(target)


@operation("Container.publish")
async def publish(engine: Engine, op: Op) -> str:
    """Push the image; return its address with the digest."""
    await engine.container(op)
    reference = Reference.parse(op.args["address"])
    layout = await layout_for(engine, op)
    async with engine.step(digest_of("publish", op.digest, os.urandom(8).hex()), f"publish {reference}"):
        return await (await registry_for(engine, op, reference)).push(
            layout, reference, await credentials_for(engine, reference)
        )


@operation("Container.exportImage")
async def export_image(engine: Engine, op: Op) -> None:
    """Put the image into podman's store on this machine."""
    if shutil.which("podman", path=engine.environ.get("PATH")) is None:
        raise UnsupportedError("Container.exportImage without podman on PATH")
    refuse(op, "platformVariants")
    name = str(Reference.parse(op.args["name"]))
    layout = await layout_for(engine, op)
    with engine.store.scratch(engine.session) as scratch:
        archive = scratch / "image.tar"
        await asyncio.to_thread(_write, layout, archive)
        copy = ["skopeo", "copy", "--quiet", f"oci-archive:{archive}", f"containers-storage:{name}"]
        async with engine.step(digest_of("exportImage", op.digest), f"exportImage {name}"):
            # The caller's own: it says where podman's store is.
            await checked(engine.runner, copy, env=engine.environ)


@operation("Host.containerImage")
async def container_image(engine: Engine, op: Op) -> ContainerState:
    """Start from an image of podman's store on this machine."""
    if shutil.which("podman", path=engine.environ.get("PATH")) is None:
        raise UnsupportedError("Host.containerImage without podman on PATH")
    name = str(Reference.parse(op.args["name"]))
    with engine.store.scratch(engine.session) as scratch:
        archive = scratch / "image.tar"
        copy = ["skopeo", "copy", "--quiet", f"containers-storage:{name}", f"oci-archive:{archive}"]
        async with engine.step(digest_of("containerImage", op.digest), f"host image {name}"):
            # The caller's own: it says where podman's store is.
            await checked(engine.runner, copy, env=engine.environ)
            loaded = await archives.read_image(
                engine.runner, storage_of(engine), archive, tag="", platform=host_platform()
            )
    engine.images.add(loaded.image_id)
    snapshot = Snapshot(digest_of("image", loaded.image_id), loaded.image_id)
    return ContainerState(rootfs=snapshot, config=loaded.config)


@operation("Directory.dockerBuild")
async def docker_build(engine: Engine, op: Op) -> ContainerState:
    """Build a Dockerfile with buildah; see dockerfiles.py."""
    refuse(op, "ssh", "noInit")
    if (wanted := op.args.get("platform") or host_platform()) != host_platform():
        raise UnsupportedError(
            f"Directory.dockerBuild(platform: {wanted}): this machine is {host_platform()};"
        )
    from wheelhouse_engine import dockerfiles  # noqa: PLC0415 - few sessions build one

    return await dockerfiles.build(engine, op)
