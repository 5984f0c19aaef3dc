"""Stage 7 of 8: an image and what is known of it in, its software list out."""

import json
from dataclasses import dataclass
from typing import Final

import dagger

from pipeline.build.image import image_labels
from pipeline.build.stages import BuiltImage, image_wheels
from pipeline.containers import EPOCH, TOOLS, Builder, text_file, with_programs

CYCLONEDX: Final = "sbom.cdx.json"
SPDX: Final = "sbom.spdx.json"
WRITE: Final = (
    "python3",
    "-m",
    "sbom.write",
    "--root",
    "/image",
    "--facts",
    "/in/facts.json",
    "--out",
    "/out",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SbomInput:
    """An image, with what its own files do not say."""

    image: dagger.Container
    labels: dict[str, str]
    """Labels of the image: the service's name, version and licence."""
    requirements: tuple[str, ...]
    """Requirement lines that the service declares for this variant."""
    lock: str
    """Hash-pinned requirements; every wheel must be one of them."""
    wheels: dagger.Directory
    """The wheel files that the image was made of."""


async def sbom_input(image: BuiltImage) -> SbomInput:
    """Return what the SBOM of an image is written from."""
    project = image.project
    return SbomInput(
        image=image.container,
        labels=image_labels(project.config, image.variant),
        requirements=project.config.requirements(image.variant),
        lock=image.lock.text,
        wheels=await image_wheels(project, image.variant, image.lock),
    )


async def software_lists(builder: Builder, subject: SbomInput, epoch: int = EPOCH) -> dagger.Directory:
    """Return sbom.cdx.json (CycloneDX 1.6) and sbom.spdx.json (SPDX 2.3), the same bytes every time.

    Args:
        builder: whose base image the image stands on.
        subject: the image.
        epoch: seconds since 1970 that the lists are dated; SOURCE_DATE_EPOCH.

    Raises:
        dagger.ExecError: package records or dist-info folders are absent, or a wheel is not one that
            the lock allows; stderr names it.

    """
    facts = {
        "labels": subject.labels,
        "base": await builder.reference(),
        "requirements": subject.requirements,
    }
    return (
        _lister(builder)
        .with_env_variable("SOURCE_DATE_EPOCH", str(epoch))
        .with_mounted_file("/in/facts.json", text_file("facts.json", json.dumps(facts, sort_keys=True)))
        .with_mounted_file("/in/lock.txt", text_file("lock.txt", subject.lock))
        .with_mounted_directory("/in/wheels", subject.wheels)
        .with_mounted_directory("/image", subject.image.rootfs())
        .with_exec([*WRITE, "--lock", "/in/lock.txt", "--wheels", "/in/wheels"])
        .directory("/out")
    )


async def rootfs_sha256(builder: Builder, image: dagger.Container) -> str:
    """Return the digest of an image's paths and contents that its software list must carry."""
    return await (
        _lister(builder)
        .with_mounted_directory("/image", image.rootfs())
        .with_exec(["python3", "-m", "sbom.digest", "/image"])
        .stdout()
    )


def _lister(builder: Builder) -> dagger.Container:
    return with_programs(builder.tools(), "sbom", more=f":{TOOLS}")
