"""Stage 8c of 8: built images in, the layouts that a registry gets out; the same bytes everywhere."""

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import dagger
from dagger import dag

from pipeline.build.archives import raw_archive
from pipeline.containers import Builder, with_packages, with_programs

LAYERS: Final = "/var/cache/wheelhouse-layers"


@dagger.enum_type
class Compression(enum.Enum):
    """How the layers of a published image are packed."""

    GZIP = "gzip"
    """Read by every client."""
    ZSTD = "zstd"
    """Smaller, faster to unpack; read by Docker 23, containerd 1.5, podman 3 and newer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageStamp:
    """Times, labels and compression that an image gets, whichever engine built it."""

    created: int
    """Time of `created` and history, in seconds since 1970: the commit's."""
    compression: Compression = Compression.GZIP
    labels: dict[str, str] = field(default_factory=dict)
    """Added to the image's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OciLayout:
    """OCI layout of an image or an index of images, as the registry will have it."""

    layout: dagger.Directory
    """OCI layout."""
    digest: str
    """`sha256:…` of its manifest."""

    @classmethod
    async def of(cls, made: dagger.Directory) -> "OciLayout":
        """Return what a program left: `layout/` and `digest`."""
        made = await made.sync()
        return cls(layout=made.directory("layout"), digest=await made.file("digest").contents())


async def normalised(builder: Builder, image: dagger.Container, stamp: ImageStamp) -> OciLayout:
    """Return the image with times and history from the commit, packed the same way everywhere."""
    command = ["python3", "-m", "oci", "normalise", "--archive", "/in/image.tar", "--out", "/out"]
    command += ["--created", str(stamp.created), "--compression", stamp.compression.value, "--cache", LAYERS]
    command += [word for key, value in stamp.labels.items() for word in ("--label", f"{key}={value}")]
    archive = await raw_archive(image)
    made = (
        _packer(builder, stamp.compression)
        .with_mounted_cache(LAYERS, dag.cache_volume("wheelhouse-layers"))
        .with_mounted_file("/in/image.tar", archive)
        .with_exec(command)
    )
    return await OciLayout.of(made.directory("/out"))


async def indexed(builder: Builder, images: Sequence[OciLayout]) -> OciLayout:
    """Return the index of one image for each platform; a single image stays itself."""
    if len(images) == 1:
        return images[0]
    container = with_programs(builder.base(), "oci")
    places = [f"/in/{number}" for number in range(len(images))]
    for place, image in zip(places, images, strict=True):
        container = container.with_mounted_directory(place, image.layout)
    made = container.with_exec(["python3", "-m", "oci", "join", "--out", "/out", *places])
    return await OciLayout.of(made.directory("/out"))


def _packer(builder: Builder, compression: Compression) -> dagger.Container:
    """Return the base with the program; zstd is a package of its own, pinned by hash."""
    if compression is Compression.ZSTD:
        return with_packages(builder, "oci/requirements.txt", "oci")
    return with_programs(builder.base(), "oci")
