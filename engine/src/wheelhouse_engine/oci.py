"""Write images as OCI layouts: a tar for export, a folder for push.

The same layers, configuration and times give the same bytes: JSON is
compact with keys in a fixed order, tar entries are sorted and have time 0.
"""

import hashlib
import io
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import IO

from wheelhouse_engine.imageconfig import Document, ImageConfig, ImageError
from wheelhouse_engine.layers import Compression, Layer, LayerCache

EPOCH = "1970-01-01T00:00:00Z"
REF_NAME = "org.opencontainers.image.ref.name"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar"


class MediaTypes(Enum):
    """Name a family of media types, by the words of the Dagger API."""

    OCI = "OCIMediaTypes"
    DOCKER = "DockerMediaTypes"

    @property
    def index(self) -> str:
        """Return the media type of a list of platforms."""
        return OCI_INDEX if self is MediaTypes.OCI else DOCKER_LIST

    @property
    def manifest(self) -> str:
        """Return the media type of one image."""
        return OCI_MANIFEST if self is MediaTypes.OCI else DOCKER_MANIFEST

    @property
    def config(self) -> str:
        """Return the media type of an image configuration."""
        if self is MediaTypes.OCI:
            return "application/vnd.oci.image.config.v1+json"
        return "application/vnd.docker.container.image.v1+json"

    def layer(self, compression: Compression) -> str:
        """Return the media type of a layer; ImageError for zstd with Docker types."""
        if compression is Compression.UNCOMPRESSED:
            return OCI_LAYER if self is MediaTypes.OCI else DOCKER_LAYER
        if self is MediaTypes.OCI:
            return f"{OCI_LAYER}+{compression.value.lower()}"
        if compression is Compression.ZSTD:
            raise ImageError(
                "layer compression Zstd with mediaTypes DockerMediaTypes: Docker has no media type for it. "
                "Use OCIMediaTypes or Gzip"
            )
        return f"{DOCKER_LAYER}.gzip"


@dataclass(frozen=True, slots=True)
class Form:
    """Say how images are written."""

    compression: Compression = Compression.GZIP
    media_types: MediaTypes = MediaTypes.OCI
    tag: str = ""
    """Written as org.opencontainers.image.ref.name when set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """Hold one platform of what is written."""

    config: ImageConfig
    image_id: str | None = None
    """Where the layers are in storage; None is an image without layers."""
    created: str = EPOCH
    """RFC 3339 time of the configuration and of every history entry."""
    history: tuple[str, ...] = ()
    """`created_by` of the topmost layers; layers below them are "base"."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Hold an OCI layout that is not written yet."""

    descriptor: Document
    """The one entry of index.json: an image, or an index of platforms."""
    blobs: Mapping[str, bytes | Path] = field(repr=False)
    """Digest -> content, or the cached file that has it."""

    @property
    def digest(self) -> str:
        """Return `sha256:…` of the image or index."""
        return str(self.descriptor["digest"])

    @property
    def config_digest(self) -> str:
        """Return `sha256:…` of the configuration: the id of a single image."""
        manifest = self.blobs[self.digest]
        if not isinstance(manifest, bytes) or "config" not in (document := json.loads(manifest)):
            raise ImageError("an index of platforms has no single configuration")
        return str(document["config"]["digest"])

    def files(self) -> dict[str, bytes | Path]:
        """Return path -> content of every file, sorted by path."""
        index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [self.descriptor]}
        files: dict[str, bytes | Path] = {
            f"blobs/sha256/{digest.removeprefix('sha256:')}": content
            for digest, content in self.blobs.items()
        }
        files["index.json"] = _json(index)
        files["oci-layout"] = _json({"imageLayoutVersion": "1.0.0"})
        return dict(sorted(files.items()))

    def write_archive(self, target: Path) -> None:
        """Write the layout as a tar, whole or not at all."""
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False) as draft:
            try:
                self._write_tar(draft)
                os.fsync(draft.fileno())
                Path(draft.name).chmod(0o644)
                Path(draft.name).replace(target)
            except BaseException:
                Path(draft.name).unlink(missing_ok=True)
                raise

    def write_directory(self, target: Path) -> None:
        """Write the layout as a folder; blobs are hard links where possible."""
        for name, content in self.files().items():
            path = target / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, bytes):
                path.write_bytes(content)
            else:
                _link_or_copy(content, path)

    def _write_tar(self, target: IO[bytes]) -> None:
        with tarfile.open(fileobj=target, mode="w", format=tarfile.GNU_FORMAT) as tar:
            for folder in ("blobs", "blobs/sha256"):
                tar.addfile(_entry(folder, tarfile.DIRTYPE, 0))
            for name, content in self.files().items():
                if isinstance(content, bytes):
                    tar.addfile(_entry(name, tarfile.REGTYPE, len(content)), io.BytesIO(content))
                else:
                    with content.open("rb") as blob:
                        tar.addfile(_entry(name, tarfile.REGTYPE, content.stat().st_size), blob)


async def layout_of(cache: LayerCache, images: Sequence[Image], form: Form) -> Layout:
    """Make the layout of one image, or of one index when several are given.

    ImageError: no image, two images of one platform, a compression that the
    media types have no word for. CommandError: storage cannot be read.
    """
    form.media_types.layer(form.compression)
    _refuse_duplicates(images)
    return assemble([(image, await cache.layers(image.image_id, form.compression)) for image in images], form)


def assemble(images: Sequence[tuple[Image, Sequence[Layer]]], form: Form) -> Layout:
    """Make the layout of images whose layers are at hand."""
    blobs: dict[str, bytes | Path] = {layer.digest: layer.path for _, layers in images for layer in layers}
    manifests = [_add_image(blobs, image, layers, form) for image, layers in images]
    if len(images) == 1:
        descriptor = manifests[0]
    else:
        index = {"schemaVersion": 2, "mediaType": form.media_types.index, "manifests": manifests}
        descriptor = _add(blobs, form.media_types.index, index)
    if form.tag:
        descriptor = {**descriptor, "annotations": {REF_NAME: form.tag}}
    return Layout(descriptor, blobs)


def image_document(image: Image, layers: Sequence[Layer]) -> Document:
    """Return the image configuration with its history, one entry per layer.

    ImageError when the history has more entries than there are layers.
    """
    config = image.config
    unknown = len(layers) - len(image.history)
    if unknown < 0:
        raise ImageError(f"history: {len(image.history)} entries for {len(layers)} layers")
    created_by = ("base",) * unknown + image.history
    platform = {"architecture": config.architecture, "os": config.os}
    if config.variant:
        platform["variant"] = config.variant
    return {
        "created": image.created,
        **platform,
        "config": config.document(),
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
        "history": [{"created": image.created, "created_by": text} for text in created_by],
    }


def _add_image(blobs: dict[str, bytes | Path], image: Image, layers: Sequence[Layer], form: Form) -> Document:
    config = image.config
    media_type = form.media_types.layer(form.compression)
    manifest: Document = {
        "schemaVersion": 2,
        "mediaType": form.media_types.manifest,
        "config": _add(blobs, form.media_types.config, image_document(image, layers)),
        "layers": [
            {"mediaType": media_type, "digest": layer.digest, "size": layer.size_bytes} for layer in layers
        ],
    }
    if config.annotations:
        manifest["annotations"] = dict(sorted(config.annotations.items()))
    platform = {"architecture": config.architecture, "os": config.os}
    if config.variant:
        platform["variant"] = config.variant
    return {**_add(blobs, form.media_types.manifest, manifest), "platform": platform}


def _add(blobs: dict[str, bytes | Path], media_type: str, document: Document) -> Document:
    content = _json(document)
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    blobs[digest] = content
    return {"mediaType": media_type, "digest": digest, "size": len(content)}


def _refuse_duplicates(images: Sequence[Image]) -> None:
    if not images:
        raise ImageError("no image to write: give a container or platform variants")
    seen: set[str] = set()
    for image in images:
        if image.config.platform in seen:
            raise ImageError(f'duplicate platform "{image.config.platform}"')
        seen.add(image.config.platform)


def _json(document: Document) -> bytes:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def _entry(name: str, kind: bytes, size_bytes: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type = kind
    entry.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
    entry.size = size_bytes
    return entry


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)  # another file system
