"""Stage 8b of 8: tested images in, pushed references out."""

import enum
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import anyio
import dagger
from dagger import dag

from pipeline.assembly import Assembly
from pipeline.builder import Builder, program_file, program_files, text_file
from pipeline.checks import Subject
from pipeline.errors import ChecksFailedError, PipelineError
from pipeline.registry import Registry, client, options
from pipeline.tags import GitState, ImageTags, TagWishes, image_tags, repository_address
from pipeline.variants import VARIANTS, Base, Variant

PACKAGES: Final = "/opt/packages"
LAYERS: Final = "/var/cache/wheelhouse-layers"
CONFIG: Final = "org.opencontainers.image"
SOURCE_PASSWORD: Final = "/run/secrets/source-password"  # noqa: S105 - where it is mounted


@dagger.enum_type
class Compression(enum.Enum):
    """How the layers of a published image are packed."""

    GZIP = "gzip"
    """Read by every client."""
    ZSTD = "zstd"
    """Smaller, faster to unpack; read by Docker 23, containerd 1.5, podman 3 and newer."""


Gate = Callable[[Subject], Awaitable[object]]
"""Raises when an image may not be published."""
Documents = Callable[[Variant, "Prepared"], Awaitable[dagger.Directory | None]]
"""Returns what refers to an image: files and referrers.json (programs/oci/plans.py); None for nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """What is published: images of one commit, complete or not at all."""

    registry: Registry
    state: GitState
    created: int
    """The commit's time, in seconds since 1970."""
    variants: Sequence[Variant]
    wishes: TagWishes = field(default_factory=TagWishes)
    compression: Compression = Compression.GZIP
    gates: tuple[Gate, ...]
    """What every image must pass: tests, checks, scan."""
    documents: Documents | None = None

    def tags(self, variant: Variant) -> ImageTags:
        """Return the tags of a variant's image."""
        suffix = VARIANTS[variant].tag_suffix
        return image_tags(self.state, self.wishes, (suffix,) if suffix else ("", f"-{variant.value}"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """An image as it will be in the registry."""

    layout: dagger.Directory
    """OCI layout."""
    digest: str
    """`sha256:…` of its manifest."""


async def publish_images(assembly: Assembly, wanted: Publication) -> list[str]:
    """Test every image, then push all of them.

    Returns:
        `REPOSITORY@sha256:… TAG…` of each image.

    Raises:
        PipelineError: wrong tags or address, or no variant; found before anything is built.
        ChecksFailedError: a gate refuses an image; every reason is listed and nothing is pushed.
        dagger.ExecError: the registry refuses; stderr says what, and moving tags are where they were.

    """
    report = await publish_report(assembly, wanted)
    return [f"{image['reference']} {' '.join(image['tags'])}" for image in report["images"]]


async def publish_report(assembly: Assembly, wanted: Publication) -> dict[str, Any]:
    """Do what `publish_images` does; return digests, tags, referrers and what went over the wire."""
    if not wanted.variants:
        raise PipelineError.of("no variant", expected="at least one", do="Pass --variants=cpu.")
    repository_address(wanted.registry.address)
    tags = {variant: wanted.tags(variant) for variant in wanted.variants}
    prepared: dict[Variant, Prepared] = {}
    refusals: list[str] = []

    async def prepare(variant: Variant) -> None:
        subject = await assembly.subject(variant, Base.SMALL)
        found = await _refusals(subject, wanted.gates)
        refusals.extend(f"{variant.value}: {refusal}" for refusal in found)
        if not found:
            prepared[variant] = await normalised(assembly.builder, subject.image, wanted)

    async with anyio.create_task_group() as group:
        for variant in tags:
            group.start_soon(prepare, variant)
    if refusals:
        raise ChecksFailedError.gathered("nothing is published", sorted(refusals))
    pushing = client(assembly.builder, wanted.registry)
    entries = []
    for variant, names in tags.items():
        pushing, entry = await _mounted(pushing, wanted, variant, prepared[variant])
        entries.append({**entry, "immutable": names.immutable, "moving": names.moving})
    plan = text_file("plan.json", json.dumps({"repository": wanted.registry.address, "images": entries}))
    command = ["python3", "-m", "oci", "push", "--plan", "/in/plan.json", *options(wanted.registry)]
    pushed = pushing.with_mounted_file("/in/plan.json", plan).with_exec(command)
    report: dict[str, Any] = json.loads(await pushed.stdout())
    return report


async def promote_image(builder: Builder, source: Registry, target: Registry, wishes: tuple[str, ...]) -> str:
    """Copy an image and what refers to it by digest; nothing is rebuilt.

    Args:
        builder: whose base image runs the client.
        source: REPOSITORY@sha256:… or REPOSITORY:TAG.
        target: where it goes.
        wishes: its tags there; those that read like a version or `sha-…` never change what they name.

    Returns:
        `REPOSITORY@sha256:… TAG…`.

    """
    tags = image_tags(GitState(commit=None), TagWishes(extra=wishes)) if wishes else ImageTags((), ())
    command = ["python3", "-m", "oci", "copy", source.address, repository_address(target.address)]
    command += [word for tag in tags.immutable for word in ("--immutable", tag)]
    command += [word for tag in tags.moving for word in ("--moving", tag)]
    container = client(builder, target)
    options(source)
    if source.password:
        container = container.with_mounted_secret(SOURCE_PASSWORD, source.password)
        command += ["--source-username", source.username, "--source-password-file", SOURCE_PASSWORD]
    copied = container.with_exec([*command, *options(target)])
    report = json.loads(await copied.stdout())
    return " ".join([report["reference"], *report["tags"]])


async def normalised(builder: Builder, image: dagger.Container, wanted: Publication) -> Prepared:
    """Return the image with times and history from the commit, packed the same way everywhere."""
    labels = {}
    if wanted.state.commit:
        labels[f"{CONFIG}.revision"] = wanted.state.commit.sha
    command = ["python3", "-m", "oci", "normalise", "--archive", "/in/image.tar", "--out", "/out"]
    command += [
        "--created",
        str(wanted.created),
        "--compression",
        wanted.compression.value,
        "--cache",
        LAYERS,
    ]
    command += [word for key, value in labels.items() for word in ("--label", f"{key}={value}")]
    archive = image.as_tarball(forced_compression=dagger.ImageLayerCompression.Uncompressed)
    made = (
        _with_program(builder, wanted.compression)
        .with_mounted_cache(LAYERS, dag.cache_volume("wheelhouse-layers"))
        .with_mounted_file("/in/image.tar", archive)
        .with_exec(command)
        .directory("/out")
    )
    made = await made.sync()
    return Prepared(layout=made.directory("layout"), digest=await made.file("digest").contents())


async def _refusals(subject: Subject, gates: Sequence[Gate]) -> list[str]:
    """Let every gate speak at once; return what those that refuse say."""
    refusals: list[str] = []

    async def ask(gate: Gate) -> None:
        try:
            await gate(subject)
        except ChecksFailedError as refusal:
            refusals.append(str(refusal))

    async with anyio.create_task_group() as group:
        for gate in gates:
            group.start_soon(ask, gate)
    return refusals


async def _mounted(
    container: dagger.Container, wanted: Publication, variant: Variant, image: Prepared
) -> tuple[dagger.Container, dict[str, Any]]:
    """Return the container with an image and its documents mounted, and what the plan says of them."""
    at = f"/in/{variant.value}"
    entry = {"name": variant.value, "layout": at}
    container = container.with_mounted_directory(at, image.layout)
    found = await wanted.documents(variant, image) if wanted.documents else None
    if found is None:
        return container, entry
    return container.with_mounted_directory(f"{at}-referrers", found), {
        **entry,
        "referrers": f"{at}-referrers",
    }


def _with_program(builder: Builder, compression: Compression) -> dagger.Container:
    """Return the base with the registry client; zstd is a package of its own, pinned by hash."""
    path = "/programs"
    container = builder.base().with_mounted_directory("/programs", program_files("oci"))
    if compression is Compression.ZSTD:
        install = ["python3", "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes"]
        packages = (
            builder.online(builder.base())
            .with_mounted_file("/in/requirements.txt", program_file("oci/requirements.txt"))
            .with_exec([*install, "--target", PACKAGES, "--requirement", "/in/requirements.txt"])
            .directory(PACKAGES)
        )
        container = container.with_mounted_directory(PACKAGES, packages)
        path = f"/programs:{PACKAGES}"
    return container.with_env_variable("PYTHONPATH", path).with_env_variable("PYTHONDONTWRITEBYTECODE", "1")
