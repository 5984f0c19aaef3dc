"""Rewrite an exported image so that the same content gives the same digest.

A pure function: archive, time, labels and compression in; layout out. Engines write the wall clock
into `created` and history, words of their own into history, and compress as they like; all three
come from the arguments here. Layers keep their files: only the packing is decided here, and the mode field
of tar headers, which engines write differently.
"""

import datetime as dt
import json
import shutil
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from oci.compression import Compression, LayerPress, PackedLayer
from oci.content import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    Blob,
    Document,
    Layout,
    Manifest,
    compact,
)
from oci.errors import CorruptError, RegistryError

CONFIG_TYPE: Final = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE: Final = "application/vnd.oci.image.layer.v1.tar"
CONFIG_FIELDS: Final = ("architecture", "os", "os.version", "os.features", "variant", "author")
RUN_FIELDS: Final = (
    "User",
    "ExposedPorts",
    "Env",
    "Entrypoint",
    "Cmd",
    "Volumes",
    "WorkingDir",
    "Labels",
    "StopSignal",
    "StopTimeout",
    "Shell",
    "OnBuild",
    "Healthcheck",
)
"""Kept when not empty. Healthcheck is Docker's, not OCI's: engines read it in either kind of image."""


@dataclass(frozen=True, slots=True)
class Form:
    """What an image is made to say, whoever built it."""

    created: int
    """Seconds since 1970: the time of the commit."""
    compression: Compression = Compression.GZIP
    labels: Mapping[str, str] = field(default_factory=dict)
    """Added to the image's own."""

    @property
    def time(self) -> str:
        """Return `created` as RFC 3339."""
        return dt.datetime.fromtimestamp(self.created, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, slots=True)
class Normaliser:
    """One rewrite from an unpacked layout into another."""

    source: Layout
    target: Layout
    form: Form
    press: LayerPress

    def run(self) -> Manifest:
        """Write the whole layout and return its root."""
        root = self._rewritten(self.source.root())
        _write_layout(self.target, root)
        return root

    def _rewritten(self, manifest: Manifest) -> Manifest:
        if manifest.media_type in (OCI_INDEX, DOCKER_LIST):
            return self._index(manifest)
        if manifest.media_type not in (OCI_MANIFEST, DOCKER_MANIFEST):
            raise RegistryError(
                f"{manifest.digest} is {manifest.media_type}; expected an image. Export it as OCI"
            )
        document = manifest.document
        config = json.loads(self.source.path(document["config"]["digest"]).read_bytes())
        packed = self._layers(document["layers"], config["rootfs"]["diff_ids"])
        config["rootfs"]["diff_ids"] = [layer.diff_id for layer in packed]
        blob = self._written(compact(rewritten_config(config, self.form)))
        return self._stored(
            {
                "schemaVersion": 2,
                "mediaType": OCI_MANIFEST,
                "config": {"mediaType": CONFIG_TYPE, "digest": blob.digest, "size": blob.size},
                "layers": [self._descriptor(layer.blob) for layer in packed],
            }
        )

    def _index(self, index: Manifest) -> Manifest:
        entries = []
        for entry in index.children():
            child = self._rewritten(self.source.manifest(entry))
            platform = {"platform": entry["platform"]} if "platform" in entry else {}
            entries.append({**child.descriptor, **platform})
        if len(entries) == 1:
            return self.target.manifest(entries[0])
        return self._stored({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries})

    def _layers(self, layers: list[Document], diff_ids: list[str]) -> list[PackedLayer]:
        if len(layers) != len(diff_ids):
            raise CorruptError(
                f"{len(layers)} layers but {len(diff_ids)} diff_ids; expected as many. Export again"
            )
        return [
            self.press.press(self.source.path(layer["digest"]), diff_id)
            for layer, diff_id in zip(layers, diff_ids, strict=True)
        ]

    def _descriptor(self, blob: Blob) -> Document:
        kind = f"{LAYER_TYPE}+{self.form.compression.value}"
        return {"mediaType": kind, "digest": blob.digest, "size": blob.size}

    def _stored(self, document: Document) -> Manifest:
        manifest = Manifest.of(document)
        self._written(manifest.content)
        return manifest

    def _written(self, content: bytes) -> Blob:
        blob = Blob.of(content)
        self.target.path(blob.digest).write_bytes(content)
        return blob


def rewritten_config(config: Document, form: Form) -> Document:
    """Return an image configuration with what the engine put in replaced or left out.

    History has one entry per layer: the words are the engine's own, so they are not kept.
    """
    run = {key: value for key, value in config.get("config", {}).items() if key in RUN_FIELDS and value}
    labels = {**run.get("Labels", {}), **form.labels}
    diff_ids = config["rootfs"]["diff_ids"]
    return {
        **{key: config[key] for key in CONFIG_FIELDS if config.get(key)},
        "created": form.time,
        "config": {**run, "Labels": labels} if labels else run,
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "history": [{"created": form.time, "created_by": "wheelhouse"} for _ in diff_ids],
    }


def joined(layouts: Sequence[Layout], out: Path) -> Manifest:
    """Write the layout of an index of images, one for each platform, and return the index.

    Raises:
        RegistryError: two images are of one platform: a client could not choose.

    """
    target = Layout(out)
    (out / "blobs" / "sha256").mkdir(parents=True)
    entries: list[Document] = []
    for layout in layouts:
        image = layout.root()
        config = json.loads(layout.path(image.document["config"]["digest"]).read_bytes())
        platform = {key: config[key] for key in ("architecture", "os", "variant") if key in config}
        if platform in [entry["platform"] for entry in entries]:
            raise RegistryError(f"two images of {platform}; expected one of each platform. Name each once")
        entries.append({**image.descriptor, "platform": platform})
        for digest in [image.digest, *(blob["digest"] for blob in image.blobs())]:
            if not target.path(digest).exists():
                shutil.copyfile(layout.path(digest), target.path(digest))
    index = Manifest.of({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries})
    _write_layout(target, index)
    return index


def _write_layout(target: Layout, root: Manifest) -> None:
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [root.descriptor]}
    target.path(root.digest).write_bytes(root.content)
    (target.folder / "oci-layout").write_bytes(compact({"imageLayoutVersion": "1.0.0"}))
    (target.folder / "index.json").write_bytes(compact(index))


def normalise(archive: Path, out: Path, form: Form, cache: Path | None = None) -> Manifest:
    """Rewrite an OCI archive (or layout folder) into the layout folder `out`, and return its root.

    Raises:
        RegistryError: not an OCI archive of one image, or an entry leaves the folder.
        CorruptError: a layer is not what the configuration says.

    """
    blobs = out / "blobs" / "sha256"
    blobs.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".unpacked-") as scratch:
        folder = archive if archive.is_dir() else _unpacked(archive, Path(scratch))
        press = LayerPress(form.compression, blobs, cache)
        return Normaliser(Layout(folder), Layout(out), form, press).run()


def _unpacked(archive: Path, folder: Path) -> Path:
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                if member.isfile():
                    _extract(tar, member, folder)
    except tarfile.TarError as error:
        raise RegistryError(
            f"{archive} is not a tar ({error}); expected an OCI archive. Export it again"
        ) from error
    return folder


def _extract(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    target = (folder / member.name).resolve()
    if not target.is_relative_to(folder.resolve()):
        raise RegistryError(
            f"archive entry {member.name!r} leaves its folder; expected an OCI archive. Refused"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    content = tar.extractfile(member)
    if content is not None:
        with content, target.open("wb") as file:
            shutil.copyfileobj(content, file)
