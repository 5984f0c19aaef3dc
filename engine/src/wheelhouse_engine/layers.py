"""Take layers out of containers-storage and keep them compressed.

A layer is compressed once: the cache is keyed by what the layer holds (its
diff id) and how it is compressed, so an app edit compresses one small layer.
"""

import asyncio
import hashlib
import json
import os
import tempfile
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import BinaryIO

import zstandard

from wheelhouse_engine.imageconfig import ImageError
from wheelhouse_engine.layerstack import LayerStack
from wheelhouse_engine.runner import Runner, checked
from wheelhouse_engine.staging import STAGING_PREFIX, sweep
from wheelhouse_engine.tarheaders import mask_modes

GZIP_LEVEL = 6
GZIP_WINDOW_BITS = 31
"""zlib's number for "gzip header and trailer"; the header has no name and time 0."""
ZSTD_LEVEL = 3
PIECE_BYTES = 4 << 20
"""Each piece becomes one gzip member, so that all cores work on one layer."""


class Compression(Enum):
    """Name how a layer is stored, by the words of the Dagger API."""

    GZIP = "Gzip"
    ZSTD = "Zstd"
    UNCOMPRESSED = "Uncompressed"

    @classmethod
    def parse(cls, text: str) -> "Compression":
        """Read an API value; ImageError names what is not offered (EStarGZ)."""
        try:
            return cls(text)
        except ValueError:
            offered = ", ".join(member.value for member in cls)
            raise ImageError(
                f"layer compression {text} is not available in the embedded engine: use one of {offered}, "
                "or a Dagger engine"
            ) from None


@dataclass(frozen=True, slots=True)
class Storage:
    """Point at one containers-storage root."""

    root: Path
    runroot: Path
    driver: str = "overlay"

    @property
    def options(self) -> list[str]:
        """Return the options that make buildah use this root."""
        return ["--root", str(self.root), "--runroot", str(self.runroot), "--storage-driver", self.driver]

    def reference(self, image: str) -> str:
        """Return skopeo's name of an image: an image id, or `name:tag`."""
        place = f"containers-storage:[{self.driver}@{self.root}+{self.runroot}]"
        return f"{place}@{image}" if _is_image_id(image) else f"{place}{image}"


@dataclass(frozen=True, slots=True)
class Layer:
    """Describe one layer as it lies in the blob cache."""

    diff_id: str
    """`sha256:…` of the uncompressed tar."""
    digest: str
    """`sha256:…` of the file at `path`."""
    size_bytes: int
    raw_bytes: int
    """Size of the uncompressed tar."""
    path: Path


async def layers_of(runner: Runner, storage: Storage, image_id: str) -> tuple[str, ...]:
    """Return the diff ids of an image, lowest layer first; CommandError without it."""
    return tuple(json.loads(await config_bytes(runner, storage, image_id))["rootfs"].get("diff_ids") or ())


async def config_bytes(runner: Runner, storage: Storage, image: str) -> bytes:
    """Return the configuration of an image, by its id or `name:tag`; CommandError without it."""
    kept = LayerStack(storage.root).config(image)
    if kept is not None:
        return kept
    command = ["skopeo", "inspect", "--raw", "--config", storage.reference(image)]
    return (await checked(runner, command)).stdout


@dataclass(frozen=True, slots=True)
class LayerCache:
    """Keep compressed layers: `sha256/<digest>` and `layers/<diff id>.<compression>`."""

    root: Path
    runner: Runner
    storage: Storage

    async def layers(self, image_id: str | None, compression: Compression) -> tuple[Layer, ...]:
        """Return an image's layers, compressing those not seen before.

        None stands for the empty image. CommandError when skopeo cannot
        read the image.
        """
        if image_id is None:
            return ()
        diff_ids = await layers_of(self.runner, self.storage, image_id)
        own = self._own(image_id, diff_ids)
        missing = {diff_id for diff_id in diff_ids if self.find(diff_id, compression, own) is None}
        if missing:
            await self._export(_Job(image_id, set(diff_ids) - missing, missing, compression, own))
        return tuple(self._found(diff_id, compression, own) for diff_id in diff_ids)

    def _own(self, image_id: str, diff_ids: tuple[str, ...]) -> frozenset[str]:
        """Return the layers that this engine made: their headers are written as Dagger writes them."""
        made = LayerStack(self.storage.root).own(image_id)
        if len(made) != len(diff_ids):
            return frozenset()
        return frozenset(diff_id for diff_id, one in zip(diff_ids, made, strict=True) if one)

    def find(self, diff_id: str, compression: Compression, own: frozenset[str] = frozenset()) -> Layer | None:
        """Return a cached layer, or None."""
        try:
            record = json.loads(self._record(diff_id, compression, own).read_bytes())
            layer = Layer(
                record.get("diff_id", diff_id),
                record["digest"],
                record["size"],
                record["raw"],
                self.blob(record["digest"]),
            )
            found, wanted = layer.path.stat(), (layer.size_bytes, record["mtime_ns"])
        except (OSError, ValueError, KeyError):
            return None  # a record cut short by a crash is the same as none
        return layer if (found.st_size, found.st_mtime_ns) == wanted else None

    def blob(self, digest: str) -> Path:
        """Return where the blob of a digest lies."""
        return self.root / "sha256" / digest.removeprefix("sha256:")

    def _record(self, diff_id: str, compression: Compression, own: frozenset[str]) -> Path:
        name = f"{diff_id.removeprefix('sha256:')}{'.own' * (diff_id in own)}"
        return self.root / "layers" / f"{name}.{compression.value.lower()}.json"

    def _found(self, diff_id: str, compression: Compression, own: frozenset[str]) -> Layer:
        layer = self.find(diff_id, compression, own)
        if layer is None:
            path = self._record(diff_id, compression, own)
            raise FileNotFoundError(f"{path}: layer {diff_id} was not exported")
        return layer

    async def _export(self, job: "_Job") -> None:
        for folder in ("sha256", "layers"):
            (self.root / folder).mkdir(parents=True, exist_ok=True)
        sweep(self.root)
        with tempfile.TemporaryDirectory(dir=self.root, prefix=STAGING_PREFIX) as scratch:
            raw = Path(scratch, "blobs", "sha256")
            raw.mkdir(parents=True)
            for diff_id in job.known:
                # skopeo asks only whether the blob exists: an empty file makes it skip the layer
                (raw / diff_id.removeprefix("sha256:")).touch()
            await checked(self.runner, _export_command(self.storage.reference(job.image_id), Path(scratch)))
            files = [(diff_id, raw / diff_id.removeprefix("sha256:")) for diff_id in sorted(job.missing)]
            await asyncio.to_thread(self._store_all, files, job)

    def _store_all(self, files: Sequence[tuple[str, Path]], job: "_Job") -> None:
        """Compress layers side by side; the pieces share one pool of threads."""
        cores = os.cpu_count() or 1
        with ThreadPoolExecutor(cores) as pieces, ThreadPoolExecutor(cores) as layers:
            running = [layers.submit(self._store, diff_id, raw, job, pieces) for diff_id, raw in files]
            for one in running:
                one.result()

    def _store(self, diff_id: str, raw: Path, job: "_Job", pool: ThreadPoolExecutor) -> None:
        raw_bytes, written = raw.stat().st_size, diff_id
        packed = raw.with_suffix(".packed")
        if diff_id in job.own:
            mask_modes(raw)
            written = f"sha256:{_sha256(raw)}"
        if job.compression is Compression.UNCOMPRESSED:
            raw.rename(packed)
            digest = written
        else:
            digest = compress(raw, packed, job.compression, pool)
        state = packed.stat()
        record = {
            "diff_id": written,
            "digest": digest,
            "size": state.st_size,
            "raw": raw_bytes,
            "mtime_ns": state.st_mtime_ns,
        }
        packed.rename(self.blob(digest))
        draft = raw.with_suffix(".record")
        draft.write_text(json.dumps(record))
        draft.rename(self._record(diff_id, job.compression, job.own))


@dataclass(frozen=True, slots=True)
class _Job:
    """Layers of one image to be taken out of storage."""

    image_id: str
    known: set[str]
    missing: set[str]
    compression: Compression
    own: frozenset[str]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def compress(raw: Path, packed: Path, compression: Compression, pool: ThreadPoolExecutor) -> str:
    """Write `packed` from `raw` and return its digest; same bytes for same input."""
    digest = hashlib.sha256()
    with raw.open("rb") as source, packed.open("wb") as target:
        pieces = _gzip_members(source, pool) if compression is Compression.GZIP else _zstd_frame(source)
        for piece in pieces:
            digest.update(piece)
            target.write(piece)
    return f"sha256:{digest.hexdigest()}"


def _gzip_members(source: BinaryIO, pool: ThreadPoolExecutor) -> Iterator[bytes]:
    """Yield one gzip member per piece, in order, a few pieces ahead."""
    waiting: deque[Future[bytes]] = deque()
    ahead = 2 * (os.cpu_count() or 1)
    while piece := source.read(PIECE_BYTES):
        waiting.append(pool.submit(zlib.compress, piece, GZIP_LEVEL, GZIP_WINDOW_BITS))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _zstd_frame(source: BinaryIO) -> Iterator[bytes]:
    yield from zstandard.ZstdCompressor(level=ZSTD_LEVEL).read_to_iter(source, write_size=PIECE_BYTES)


def _export_command(reference: str, scratch: Path) -> list[str]:
    return [
        *("skopeo", "copy", "--quiet", "--insecure-policy"),
        *("--dest-oci-accept-uncompressed-layers", "--dest-shared-blob-dir", str(scratch / "blobs")),
        *(reference, f"oci:{scratch / 'layout'}"),
    ]


def _is_image_id(text: str) -> bool:
    return len(text) == hashlib.sha256().digest_size * 2 and set(text) <= set("0123456789abcdef")
