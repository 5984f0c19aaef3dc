"""Build and check every image of a release, then push all of them or none."""

import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import dagger
from dagger import dag

from pipeline.build.project import Project
from pipeline.build.stages import build_image
from pipeline.commits import GitState, commit_time, git_state
from pipeline.containers import Builder, text_file
from pipeline.errors import ChecksFailedError, PipelineError
from pipeline.publish.attestations import CheckedImage, attestations, check_image
from pipeline.publish.oci_layout import OciLayout, indexed, normalised
from pipeline.publish.options import PublishOptions, Release
from pipeline.publish.tags import ImageTags, TagOptions, image_tags
from pipeline.registry import Registry, client, options, repository_address
from pipeline.tasks import gather
from pipeline.variants import Base, Variant

SOURCE_PASSWORD: Final = "/run/secrets/source-password"  # noqa: S105 - where it is mounted
PLATFORM: Final = re.compile(r"linux/[a-z0-9]+(/v[0-9])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformBuild:
    """The image of one variant for one platform."""

    checked: CheckedImage
    layout: OciLayout | None
    """None where a gate refused the image."""

    @property
    def name(self) -> str:
        """Return what the report calls the image."""
        image = self.checked.image
        return f"{image.variant.value} {image.project.builder.platform}".rstrip()


async def published(
    project: Project, repository: dagger.GitRepository, publishing: PublishOptions, now: str
) -> list[str]:
    """Test, verify and scan every image, then push all of them with their attestations.

    What went over the wire is reported on stderr as one line of JSON.

    Args:
        project: the service.
        repository: its HEAD gives the tags.
        publishing: where to, and how.
        now: ISO 8601 time of the scan.

    Returns:
        `REPOSITORY@sha256:… TAG…` of each image.

    Raises:
        PipelineError: a dirty tree, wrong tags or address, no variant; found before anything is built.
        ChecksFailedError: a gate refuses an image; every reason is listed and nothing is pushed.
        dagger.ExecError: the registry refuses; stderr says what, and moving tags are where they were.

    """
    state = await git_state(repository, with_branch=publishing.wishes.branch)
    image_tags(state, publishing.wishes)
    created = await commit_time(project.builder, repository, state.commit) if state.commit else 0
    source = await repository.url() or ""
    release = Release(options=publishing, state=state, created=created, source=source, now=now)
    report = await publish_report(project, release)
    print(json.dumps(report), file=sys.stderr)  # noqa: T201 - the references stay on stdout
    tagged = [image for image in report["images"] if image["tags"]]
    return [f"{image['reference']} {' '.join(image['tags'])}" for image in tagged]


async def publish_report(project: Project, release: Release) -> dict[str, Any]:
    """Publish a release; return digests, tags, referrers and what went over the wire."""
    publishing = release.options
    if not publishing.variants:
        raise PipelineError.of("no variant", expected="at least one", do="Pass --variants=cpu.")
    repository_address(publishing.registry.address)
    tags = {variant: release.tags(variant) for variant in publishing.variants}
    await require_platforms(project, publishing.platforms)
    projects = [project.on(platform) for platform in publishing.platforms or [""]]
    builds = await gather(*(_built(one, variant, release) for variant in tags for one in projects))
    if refusals := [f"{one.name}: {line}" for one in builds for line in one.checked.refusals]:
        raise ChecksFailedError.gathered("nothing is published", sorted(refusals))
    pushing = client(project.builder, publishing.registry)
    entries: list[dict[str, Any]] = []
    for variant, names in tags.items():
        of_variant = [one for one in builds if one.checked.image.variant is variant]
        for number, one in enumerate(of_variant):
            pushing, entry = await _mounted(pushing, one, release, f"/in/{variant.value}-{number}")
            entries.append(entry)
        if len(of_variant) > 1:
            # The images first, each with its attestations; then the index, which has the tags.
            at, layouts = f"/in/{variant.value}", [one.layout for one in of_variant if one.layout]
            pushing = pushing.with_mounted_directory(at, (await indexed(project.builder, layouts)).layout)
            entries.append({"name": variant.value, "layout": at})
        entries[-1] |= {"immutable": names.immutable, "moving": names.moving}
    plan = text_file("plan.json", json.dumps({"repository": publishing.registry.address, "images": entries}))
    command = ["python3", "-m", "oci", "push", "--plan", "/in/plan.json", *options(publishing.registry)]
    report: dict[str, Any] = json.loads(
        await pushing.with_mounted_file("/in/plan.json", plan).with_exec(command).stdout()
    )
    return report


async def _built(project: Project, variant: Variant, release: Release) -> PlatformBuild:
    """Build and check an image; pack it when every gate lets it pass."""
    image = await build_image(project, variant, Base.SMALL)
    checked = await check_image(image, release)
    if checked.refusals:
        return PlatformBuild(checked=checked, layout=None)
    layout = await normalised(project.builder, image.container, release.stamp)
    return PlatformBuild(checked=checked, layout=layout)


async def _mounted(
    container: dagger.Container, built: PlatformBuild, release: Release, at: str
) -> tuple[dagger.Container, dict[str, Any]]:
    """Return the container with an image and its attestations mounted, and its entry of the plan."""
    if built.layout is None:
        raise ChecksFailedError.gathered("nothing is published", list(built.checked.refusals))
    documents = await attestations(built.checked, built.layout.digest, release)
    referrers = f"{at}-referrers"
    container = container.with_mounted_directory(at, built.layout.layout)
    entry = {"name": built.name, "layout": at, "referrers": referrers}
    return container.with_mounted_directory(referrers, documents), entry


async def require_platforms(project: Project, platforms: Sequence[str]) -> None:
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
            await project.on(platform).builder.base().with_exec(["python3", "-c", ""]).sync()
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
