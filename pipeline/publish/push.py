"""Stage 8b of 8: tested images in, pushed references out."""

import json
import re
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import dagger
from dagger import dag

from pipeline.build.assembly import Assembly
from pipeline.check.tests import Subject
from pipeline.containers import Builder, text_file
from pipeline.errors import ChecksFailedError, PipelineError
from pipeline.publish.oci_layout import Compression, Form, Prepared, indexed, normalised
from pipeline.publish.tags import GitState, ImageTags, TagOptions, image_tags, repository_address
from pipeline.registry import Registry, client, options
from pipeline.tasks import task_group
from pipeline.variants import VARIANTS, Base, Variant

__all__ = ["Compression", "Prepared", "Publication", "promote_image", "publish_images"]
REVISION: Final = "org.opencontainers.image.revision"
SOURCE_PASSWORD: Final = "/run/secrets/source-password"  # noqa: S105 - where it is mounted
PLATFORM: Final = re.compile(r"linux/[a-z0-9]+(/v[0-9])?")
Gate = Callable[[Subject], Awaitable[object]]
"""Raises when an image may not be published."""


class Attestor(Protocol):
    """What speaks for the images of one platform."""

    @property
    def gates(self) -> tuple[Gate, ...]:
        """What every image must pass: tests, checks, scan."""

    async def documents(self, variant: Variant, image: Prepared) -> dagger.Directory | None:
        """Return what refers to an image: files and referrers.json (programs/oci/plans.py)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """What is published: images of one commit, complete or not at all."""

    registry: Registry
    state: GitState
    created: int
    """The commit's time, in seconds since 1970."""
    variants: Sequence[Variant]
    platforms: Sequence[str] = ()
    """`linux/amd64`, …: an index of these for each variant; none: an image of the engine's own platform."""
    wishes: TagOptions = field(default_factory=TagOptions)
    compression: Compression = Compression.GZIP
    witness: Callable[[Assembly], Attestor]

    def tags(self, variant: Variant) -> ImageTags:
        """Return the tags of a variant's image."""
        suffix = VARIANTS[variant].tag_suffix
        return image_tags(self.state, self.wishes, (suffix,) if suffix else ("", f"-{variant.value}"))

    @property
    def form(self) -> Form:
        """Return what every image is made to say."""
        labels = {REVISION: self.state.commit.sha} if self.state.commit else {}
        return Form(created=self.created, compression=self.compression, labels=labels)


async def publish_images(assembly: Assembly, wanted: Publication) -> list[str]:
    """Test every image, then push all of them.

    What went over the wire is told on stderr as one line of JSON.

    Returns:
        `REPOSITORY@sha256:… TAG…` of each image.

    Raises:
        PipelineError: wrong tags or address, or no variant; found before anything is built.
        ChecksFailedError: a gate refuses an image; every reason is listed and nothing is pushed.
        dagger.ExecError: the registry refuses; stderr says what, and moving tags are where they were.

    """
    report = await publish_report(assembly, wanted)
    print(json.dumps(report), file=sys.stderr)  # noqa: T201 - the references stay on stdout
    tagged = [image for image in report["images"] if image["tags"]]
    return [f"{image['reference']} {' '.join(image['tags'])}" for image in tagged]


async def publish_report(assembly: Assembly, wanted: Publication) -> dict[str, Any]:
    """Do what `publish_images` does; return digests, tags, referrers and what went over the wire."""
    if not wanted.variants:
        raise PipelineError.of("no variant", expected="at least one", do="Pass --variants=cpu.")
    repository_address(wanted.registry.address)
    tags = {variant: wanted.tags(variant) for variant in wanted.variants}
    await require_platforms(assembly, wanted.platforms)
    stands = [PlatformBuild(assembly.on(platform), wanted) for platform in wanted.platforms or [""]]
    async with task_group() as group:
        for stand in stands:
            for variant in tags:
                group.start_soon(stand.prepare, variant)
    if refusals := [refusal for stand in stands for refusal in stand.refusals]:
        raise ChecksFailedError.gathered("nothing is published", sorted(refusals))
    pushing = client(assembly.builder, wanted.registry)
    entries: list[dict[str, Any]] = []
    for variant, names in tags.items():
        at = f"/in/{variant.value}"
        images = [stand.prepared[variant] for stand in stands]
        for number, stand in enumerate(stands):
            pushing, entry = await stand.mounted(pushing, variant, f"{at}-{number}")
            entries.append(entry)
        if len(stands) > 1:
            # The images first, each with what speaks for it; then the index, which has the tags.
            pushing = pushing.with_mounted_directory(at, (await indexed(assembly.builder, images)).layout)
            entries.append({"name": variant.value, "layout": at})
        entries[-1] |= {"immutable": names.immutable, "moving": names.moving}
    plan = text_file("plan.json", json.dumps({"repository": wanted.registry.address, "images": entries}))
    command = ["python3", "-m", "oci", "push", "--plan", "/in/plan.json", *options(wanted.registry)]
    pushed = pushing.with_mounted_file("/in/plan.json", plan).with_exec(command)
    report: dict[str, Any] = json.loads(await pushed.stdout())
    return report


@dataclass(frozen=True, slots=True)
class PlatformBuild:
    """The images of one platform on their way into the registry."""

    assembly: Assembly
    wanted: Publication
    prepared: dict[Variant, Prepared] = field(default_factory=dict)
    refusals: list[str] = field(default_factory=list)
    """`VARIANT [PLATFORM]: REASON` of every gate that lets an image not pass."""
    witnesses: list[Attestor] = field(default_factory=list)

    @property
    def witness(self) -> Attestor:
        """Return what speaks for the images; the same each time, because it remembers."""
        if not self.witnesses:
            self.witnesses.append(self.wanted.witness(self.assembly))
        return self.witnesses[0]

    def name(self, variant: Variant) -> str:
        """Return what the report calls an image."""
        platform = self.assembly.builder.platform
        return f"{variant.value} {platform}" if platform else variant.value

    async def prepare(self, variant: Variant) -> None:
        """Build and judge an image; pack it when every gate lets it pass."""
        subject = await self.assembly.subject(variant, Base.SMALL)
        found = await _refusals(subject, self.witness.gates)
        self.refusals.extend(f"{self.name(variant)}: {refusal}" for refusal in found)
        if not found:
            self.prepared[variant] = await normalised(self.assembly.builder, subject.image, self.wanted.form)

    async def mounted(
        self, container: dagger.Container, variant: Variant, at: str
    ) -> tuple[dagger.Container, dict[str, Any]]:
        """Return the container with an image and its documents mounted, and what the plan says of them."""
        image = self.prepared[variant]
        container = container.with_mounted_directory(at, image.layout)
        entry = {"name": self.name(variant), "layout": at}
        found = await self.witness.documents(variant, image)
        if found is None:
            return container, entry
        place = f"{at}-referrers"
        return container.with_mounted_directory(place, found), {**entry, "referrers": place}


async def require_platforms(assembly: Assembly, platforms: Sequence[str]) -> None:
    """Run a process on each platform, before anything is built.

    Raises:
        PipelineError: malformed, named twice, or the engine cannot run it; says what it can.

    """
    for platform in platforms:
        if not PLATFORM.fullmatch(platform) or list(platforms).count(platform) > 1:
            raise PipelineError.of(
                f"platforms {', '.join(platforms)}",
                expected="linux/ARCHITECTURE, each once",
                do="Pass --platforms=linux/amd64,linux/arm64.",
            )
    own = await dag.default_platform() if platforms else ""
    for platform in platforms:
        try:
            await assembly.on(platform).builder.base().with_exec(["python3", "-c", ""]).sync()
        except dagger.QueryError as error:
            raise PipelineError.of(
                f"platform {platform} cannot run here: {error}",
                expected=f"one that the engine runs; its own is {own}",
                do=f"Use a Dagger engine that emulates it (binfmt) or is on such a machine, or {own} alone.",
            ) from error


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
    tags = image_tags(GitState(commit=None), TagOptions(extra=wishes)) if wishes else ImageTags((), ())
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


async def _refusals(subject: Subject, gates: Sequence[Gate]) -> list[str]:
    """Let every gate speak at once; return what those that refuse say."""
    refusals: list[str] = []

    async def ask(gate: Gate) -> None:
        try:
            await gate(subject)
        except ChecksFailedError as refusal:
            refusals.append(str(refusal))

    async with task_group() as group:
        for gate in gates:
            group.start_soon(ask, gate)
    return refusals
