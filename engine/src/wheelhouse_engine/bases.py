"""Find base images: this machine's store, a registry, or a Debian stand-in.

The first that has the image wins, and the answer is remembered in
`bases.json`, so that a known address costs no network.
"""

import asyncio
import contextlib
import fcntl
import hashlib
import os
import platform as machine
import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel

from wheelhouse_engine.archives import LoadedImage, config_of, load_layout
from wheelhouse_engine.credentials import Credentials
from wheelhouse_engine.debian import CREATED, Progress, RootTar, make_root
from wheelhouse_engine.imageconfig import MACHINES, ImageConfig, ImageError
from wheelhouse_engine.layers import Compression, Layer, Storage
from wheelhouse_engine.mounting import discard
from wheelhouse_engine.oci import Form, Image, assemble
from wheelhouse_engine.references import Reference
from wheelhouse_engine.registry import NoAnswerError, Registry
from wheelhouse_engine.runner import CommandError, Runner
from wheelhouse_engine.staging import STAGING_PREFIX, sweep
from wheelhouse_engine.standins import StandIn, stand_in_for

LOCK_POLL_S: Final = 0.1

Origin = Literal["registry", "stand-in"]


@dataclass(frozen=True, slots=True)
class BaseImage:
    """Hold a base image that is in storage."""

    image_id: str
    config: ImageConfig
    digest: str
    """Digest of its manifest; part of the identity of what is built on it."""
    origin: Origin


class Record(BaseModel):
    """Hold one line of bases.json."""

    image_id: str
    digest: str
    origin: Origin


class Index(BaseModel):
    """Hold bases.json."""

    version: Literal[1] = 1
    images: dict[str, Record]


@dataclass(slots=True)
class BaseImages:
    """Resolve addresses for one session; sessions share the folder."""

    runner: Runner
    storage: Storage
    registry: Registry
    folder: Path
    """Where bases.json, its locks and downloaded packages are kept."""
    progress: Progress = lambda _: None
    warn: Callable[[str], None] = lambda _: None
    _resolved: dict[str, BaseImage] = field(default_factory=dict)

    async def resolve(
        self, address: str, platform: str = "", credentials: Credentials | None = None
    ) -> BaseImage:
        """Return the image of an address, making it when nothing else has it.

        ImageError: malformed address, unknown image, or no registry answers
        and nothing can stand in.
        """
        reference = Reference.parse(address)
        platform = platform or host_platform()
        key = f"{reference} {platform}"
        if key not in self._resolved:
            self.folder.mkdir(parents=True, exist_ok=True)
            async with locked(self.folder / f"{_word(key)}.lock"):
                self._resolved[key] = await self._resolve(reference, platform, credentials)
            self._announce(reference, self._resolved[key])
        return self._resolved[key]

    def records(self) -> dict[str, Record]:
        """Return what is known, by `address platform`."""
        try:
            return Index.model_validate_json((self.folder / "bases.json").read_bytes()).images
        except (OSError, ValueError):
            return {}  # a lost or damaged index costs a search, nothing else

    async def forget(self, address: str, platform: str = "") -> None:
        """Ask for an address anew next time; the image stays in storage."""
        key = f"{Reference.parse(address)} {platform or host_platform()}"
        self._resolved.pop(key, None)
        await self._write(key, None)

    async def _resolve(
        self, reference: Reference, platform: str, credentials: Credentials | None
    ) -> BaseImage:
        key = f"{reference} {platform}"
        known = await self._recall(key)
        # A named mirror was perhaps not there when the stand-in was built.
        if known is not None and (known.origin == "registry" or not self.registry.mirrored(reference)):
            return known
        try:
            pulled = await self.registry.pull(reference, platform, credentials)
        except NoAnswerError as silence:
            if known is not None:
                return known
            return await self._remember(key, await self._stand_in(reference, platform, silence), "stand-in")
        return await self._remember(key, pulled, "registry")

    async def _recall(self, key: str) -> BaseImage | None:
        record = self.records().get(key)
        if record is None:
            return None
        try:
            image_id, config = await config_of(self.runner, self.storage, record.image_id)
        except CommandError:
            return None  # removed from storage since
        return BaseImage(image_id, config, record.digest, record.origin)

    async def _remember(self, key: str, image: LoadedImage, origin: Origin) -> BaseImage:
        await self._write(key, Record(image_id=image.image_id, digest=image.digest, origin=origin))
        return BaseImage(image.image_id, image.config, image.digest, origin)

    async def _write(self, key: str, record: Record | None) -> None:
        async with locked(self.folder / "bases.lock"):
            images = self.records()
            images.pop(key, None)
            if record is not None:
                images[key] = record
            draft = self.folder / f"bases.{os.getpid()}.draft"
            draft.write_text(Index(images=dict(sorted(images.items()))).model_dump_json(indent=1))
            draft.replace(self.folder / "bases.json")

    async def _stand_in(self, reference: Reference, platform: str, silence: NoAnswerError) -> LoadedImage:
        try:
            stand_in = stand_in_for(reference)
            _check_platform(platform)
            key = f"stand-in:{stand_in.name} {platform}"
            async with locked(self.folder / f"{_word(key)}.lock"):
                known = await self._recall(key)
                made = known or await self._remember(key, await self._make(stand_in), "stand-in")
            _check_patch(stand_in, made.config)
        except ImageError as error:
            raise ImageError(f"{silence}; {error}") from error
        return LoadedImage(made.image_id, made.config, made.digest)

    async def _make(self, stand_in: StandIn) -> LoadedImage:
        sweep(self.folder, remove=discard)
        root = await make_root(self.runner, stand_in, self.folder, self.progress)
        try:
            return await store_root(self.runner, self.storage, root)
        finally:
            root.path.unlink(missing_ok=True)

    def _announce(self, reference: Reference, image: BaseImage) -> None:
        if image.origin == "stand-in":
            suite = image.config.labels.get("io.wheelhouse.base.suite", "")
            self.warn(
                f"NOT THE OFFICIAL IMAGE: {reference} is a stand-in made from Debian {suite} packages, "
                "because no registry answers"
            )


def host_platform() -> str:
    """Return this machine as `linux/amd64`."""
    return f"linux/{MACHINES.get(machine.machine(), machine.machine())}"


async def store_root(runner: Runner, storage: Storage, root: RootTar) -> LoadedImage:
    """Put a root tar into storage as an image of one layer."""
    size = root.path.stat().st_size
    diff_id = await asyncio.to_thread(_digest, root.path)
    layer = Layer(diff_id, diff_id, size, size, root.path)
    image = Image(config=root.config, created=CREATED, history=("Debian packages",))
    layout = assemble([(image, [layer])], Form(Compression.UNCOMPRESSED))
    with tempfile.TemporaryDirectory(dir=root.path.parent, prefix=STAGING_PREFIX) as scratch:
        folder = Path(scratch, "layout")
        layout.write_directory(folder)
        await load_layout(runner, storage, folder, layout.config_digest.removeprefix("sha256:"))
    return LoadedImage(layout.config_digest.removeprefix("sha256:"), root.config, layout.digest)


@contextlib.asynccontextmanager
async def locked(path: Path) -> AsyncIterator[None]:
    """Hold a lock between processes; it dies with its process."""
    with path.open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                await asyncio.sleep(LOCK_POLL_S)
        yield


def _check_platform(platform: str) -> None:
    if platform != host_platform():
        raise ImageError(f"no stand-in can be made for {platform}: this machine is {host_platform()}")


def _check_patch(stand_in: StandIn, config: ImageConfig) -> None:
    found = next((text.partition("=")[2] for text in config.env if text.startswith("PYTHON_VERSION=")), "")
    if stand_in.patch and stand_in.patch != found:
        raise ImageError(
            f"no stand-in can be made for Python {stand_in.patch}: Debian {stand_in.suite} has {found}"
        )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def _word(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
