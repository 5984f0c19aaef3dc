"""Read image archives into storage: OCI layouts and `docker save` tars.

An archive is a stranger: names that leave the folder, links, devices and
content that does not match its digest are refused before anything is stored.
"""

import asyncio
import contextlib
import hashlib
import json
import os
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from wheelhouse_engine.diskspace import is_full, no_space
from wheelhouse_engine.imageconfig import Document, ImageConfig, ImageError
from wheelhouse_engine.layers import Storage, config_bytes
from wheelhouse_engine.oci import OCI_INDEX, REF_NAME
from wheelhouse_engine.references import Reference
from wheelhouse_engine.runner import CommandError, Runner, checked
from wheelhouse_engine.staging import STAGING_PREFIX, sweep

INDEX_TYPES = (OCI_INDEX, "application/vnd.docker.distribution.manifest.list.v2+json")
MAX_DOCUMENT_BYTES = 16 << 20
"""No manifest or configuration is this large; a larger one is an attack."""


@dataclass(frozen=True, slots=True)
class LoadedImage:
    """Hold an image that is in storage now."""

    image_id: str
    config: ImageConfig
    digest: str
    """Digest of the manifest it was read from."""


async def read_image(
    runner: Runner, storage: Storage, archive: Path, *, tag: str = "", platform: str = "linux/amd64"
) -> LoadedImage:
    """Load an OCI layout (tar or folder) or a `docker save` tar into storage.

    ImageError says what is wrong with the archive, or lists its tags and
    platforms when the asked one is not in it.
    """
    if not archive.is_dir():
        names = await asyncio.to_thread(_safe_names, archive)
        if "manifest.json" in names and "index.json" not in names:
            with _refused_if_malformed(archive):
                return await _load_docker(runner, storage, archive, tag)
    sweep(storage.root.parent)
    with tempfile.TemporaryDirectory(dir=storage.root.parent, prefix=STAGING_PREFIX) as scratch:
        folder = Path(scratch, "layout")
        layout = archive if archive.is_dir() else await asyncio.to_thread(_unpack, archive, folder)
        if not (layout / "index.json").is_file():
            raise ImageError(f"{archive}: found neither index.json nor manifest.json; it is no image archive")
        with _refused_if_malformed(archive):
            return await _load_oci(runner, storage, _pick(layout, tag, platform), Path(scratch))


@contextlib.contextmanager
def _refused_if_malformed(archive: Path) -> Iterator[None]:
    """Turn the many ways in which JSON can be wrong into one error."""
    try:
        yield
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ImageError(f"{archive}: malformed image archive: {error!r}") from error


async def load_layout(runner: Runner, storage: Storage, layout: Path, image_id: str) -> None:
    """Copy the one image of an OCI layout into storage under the id it has.

    ImageError when content does not match its digest.
    """
    await _copy(runner, f"oci:{layout}", storage, image_id)


async def config_of(runner: Runner, storage: Storage, image: str) -> tuple[str, ImageConfig]:
    """Return id and configuration of an image in storage; CommandError without it."""
    raw = await config_bytes(runner, storage, image)
    return hashlib.sha256(raw).hexdigest(), ImageConfig.parse(json.loads(raw))


@dataclass(frozen=True, slots=True)
class _Picked:
    """Hold the one image of a layout that is to be loaded."""

    layout: Path
    descriptor: Document
    manifest: Document
    config: Document


def _pick(layout: Path, tag: str, platform: str) -> _Picked:
    entries = json.loads((layout / "index.json").read_bytes())["manifests"]
    tagged = [entry for entry in entries if not tag or _named(tag, _tags(entry))]
    if not tagged:
        known = sorted({name for entry in entries for name in _tags(entry)})
        raise ImageError(f"no image tagged {tag!r} in the archive; it has {', '.join(known) or 'no tags'}")
    images = [image for entry in tagged for image in _images(layout, entry)]
    matching = [image for image in images if _platform(layout, image) == platform]
    if not matching:
        found = ", ".join(sorted({_platform(layout, image) for image in images}))
        raise ImageError(f"no image for platform {platform} in the archive; it has {found or 'none'}")
    descriptor = matching[0]
    manifest = _document(layout, descriptor)
    return _Picked(layout, descriptor, manifest, _document(layout, manifest["config"]))


def _tags(entry: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names an index entry has: `latest`, or `docker.io/library/x:latest`."""
    annotations = entry.get("annotations") or {}
    names = [annotations.get(REF_NAME), annotations.get("io.containerd.image.name")]
    return tuple(name for name in names if name)


def _named(tag: str, names: Sequence[str]) -> bool:
    """Tell whether a tag, or the address it stands for, is among the names."""
    if tag in names:
        return True
    with contextlib.suppress(ImageError):
        return str(Reference.parse(tag)) in names
    return False


def _images(layout: Path, entry: Document) -> list[Document]:
    if entry.get("mediaType") in INDEX_TYPES:
        nested = _document(layout, entry)["manifests"]
        return [image for child in nested for image in _images(layout, child)]
    return [entry]


def _platform(layout: Path, descriptor: Mapping[str, Any]) -> str:
    """Return the platform as the configuration says it; attestations are "unknown"."""
    stated = descriptor.get("platform")
    if not stated:
        stated = _document(layout, _document(layout, descriptor)["config"])
    return f"{stated.get('os', 'linux')}/{stated.get('architecture', 'unknown')}"


def _document(layout: Path, descriptor: Mapping[str, Any]) -> Document:
    """Read a JSON blob and check its digest."""
    digest = str(descriptor["digest"])
    algorithm, _, name = digest.partition(":")
    if algorithm != "sha256" or len(name) != hashlib.sha256().digest_size * 2 or not name.isalnum():
        raise ImageError(f"digest {digest!r}: expected sha256 and 64 hexadecimal digits")
    path = layout / "blobs" / "sha256" / name
    if not path.is_file():
        raise ImageError(f"blob {digest} is not in the archive")
    if path.stat().st_size > MAX_DOCUMENT_BYTES:
        raise ImageError(f"blob {digest} is {path.stat().st_size} bytes; no manifest is larger than 16 MiB")
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != name:
        raise ImageError(f"blob {digest} does not match its digest: found sha256:{found}")
    document: Document = json.loads(content)
    return document


async def _load_oci(runner: Runner, storage: Storage, picked: _Picked, scratch: Path) -> LoadedImage:
    """Load from a copy of the layout whose index has only the picked image."""
    single = scratch / "single"
    blobs = single / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    manifest = picked.manifest
    for descriptor in (picked.descriptor, manifest["config"], *manifest["layers"]):
        name = PurePosixPath(str(descriptor["digest"]).partition(":")[2]).name
        source = picked.layout / "blobs" / "sha256" / name
        if not source.is_file() or source.is_symlink():
            raise ImageError(f"blob {descriptor['digest']} is not in the archive")
        if not (blobs / name).exists():
            _link_or_copy(source, blobs / name)
    (single / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    (single / "index.json").write_text(
        json.dumps({"schemaVersion": 2, "manifests": [{**picked.descriptor, "annotations": {}}]})
    )
    image_id = str(manifest["config"]["digest"]).removeprefix("sha256:")
    await load_layout(runner, storage, single, image_id)
    config = ImageConfig.parse(picked.config, manifest.get("annotations"))
    return LoadedImage(image_id, config, str(picked.descriptor["digest"]))


async def _load_docker(runner: Runner, storage: Storage, archive: Path, tag: str) -> LoadedImage:
    """Load what `docker save` wrote; skopeo checks its layers against the configuration."""
    entries = json.loads(_member(archive, "manifest.json"))
    chosen = next((entry for entry in entries if not tag or _named(tag, entry.get("RepoTags") or ())), None)
    if chosen is None:
        known = sorted({name for entry in entries for name in entry.get("RepoTags") or ()})
        raise ImageError(f"no image tagged {tag!r} in the archive; it has {', '.join(known) or 'no tags'}")
    raw = _member(archive, str(chosen["Config"]))
    image_id = hashlib.sha256(raw).hexdigest()
    source = f"docker-archive:{archive}:@{entries.index(chosen)}"
    await _copy(runner, source, storage, image_id)
    return LoadedImage(image_id, ImageConfig.parse(json.loads(raw)), f"sha256:{image_id}")


async def _copy(runner: Runner, source: str, storage: Storage, image_id: str) -> None:
    target = storage.reference(image_id)
    try:
        await checked(runner, ["skopeo", "copy", "--quiet", "--insecure-policy", source, target])
    except CommandError as error:
        text = said(error.completed.error_text)
        if is_full(text):
            raise no_space(storage.root.parent, said=text) from error
        raise ImageError(f"the image cannot be stored: {text}") from error


def said(stderr: str) -> str:
    """Return what skopeo says went wrong, without its log frame."""
    last = stderr.splitlines()[-1] if stderr else "skopeo said nothing"
    _, found, text = last.partition('msg="')
    return text.removesuffix('"').replace('\\"', '"') if found else last


@contextlib.contextmanager
def _opened(archive: Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(archive) as tar:
            yield tar
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise ImageError(f"{archive}: not a whole tar archive: {error}") from error


def _safe_names(archive: Path) -> set[str]:
    """Return the names of all members; refuse those, and link targets, that leave the folder."""
    with _opened(archive) as tar:
        members = tar.getmembers()
    for member in members:
        if member.issym():
            _safe_name(os.path.normpath(f"{PurePosixPath(member.name).parent}/{member.linkname}"))
    return {str(_safe_name(member.name)) for member in members}


def _member(archive: Path, name: str) -> bytes:
    """Return a small file of an archive."""
    with _opened(archive) as tar:
        file = tar.extractfile(name)
        return file.read(MAX_DOCUMENT_BYTES) if file else b""


def _unpack(archive: Path, folder: Path) -> Path:
    """Unpack regular files and folders."""
    folder.mkdir()
    with _opened(archive) as tar:
        for member in tar:
            _unpack_member(tar, member, folder)
    return folder


def _unpack_member(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    target = folder / _safe_name(member.name)
    if member.isdir():
        target.mkdir(parents=True, exist_ok=True)
        return
    source = tar.extractfile(member) if member.isreg() else None
    if source is None:
        raise ImageError(f"archive member {member.name!r} is a link or a device; an image has only files")
    target.parent.mkdir(parents=True, exist_ok=True)
    with source, target.open("xb") as output:
        shutil.copyfileobj(source, output, 1 << 20)


def _safe_name(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name:
        raise ImageError(f"archive member {name!r} would leave the folder it is unpacked in")
    return path


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)  # another file system
