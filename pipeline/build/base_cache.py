"""Mirror base images in the remote cache, so that a fresh runner needs one registry only.

An image `base-<sha256>-image` is kept by digest, and a note `base-<sha256>` says whose it is. The note is
signed; nothing of the image runs before its signature is judged, which is why it is read by the engine
and not by a client in a container. An unpinned reference is looked up in its own registry once a day:
for the machines of that day it is what the first of them found.
"""

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

import dagger
from dagger import dag
from pydantic import BaseModel, ValidationError

from pipeline.build.cache import RemoteCache, tell
from pipeline.containers import Builder, KeptBase
from pipeline.errors import PipelineError
from pipeline.registry import entered, is_absent

NOTE: Final = "base.json"


class Note(BaseModel):
    """What a note says; its signature is over the key and over all the rest."""

    reference: str
    """`NAME@sha256:…` as the image's own registry has it."""
    digest: str
    """`sha256:…` that the cache has it under."""
    signature: str = ""

    def signed_digest(self) -> str:
        """Return the digest of what is signed."""
        said = f"{self.reference}\n{self.digest}\n"
        return f"sha256:{hashlib.sha256(said.encode()).hexdigest()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseCache:
    """The base images of one cache."""

    cache: RemoteCache

    async def kept(self, builder: Builder) -> Builder:
        """Return the builder on the cache's copy of its base; the copy is made where there is none.

        Whatever fails is reported on stderr, and the base comes from its own registry.
        """
        if builder.fresh:
            return builder
        key = await note_key(builder)
        try:
            note = await self._note(key)
            if note is None and self.cache.signing.private_key is not None:
                note = await self._stored(key, builder)
            return replace(builder, kept=await self._taken(builder, note)) if note else builder
        except (dagger.QueryError, PipelineError) as error:
            tell(key, error, "the base image comes from its own registry")
            return builder

    async def _note(self, key: str) -> Note | None:
        """Return the note of a key, None where there is none.

        Raises:
            PipelineError: not signed by the trusted key, or not a note.
            dagger.QueryError: the registry refuses or does not answer, which is not the same as having none.

        """
        try:
            stored = await self._from(dag.container(), f":{key}").sync()
        except dagger.QueryError as error:
            if is_absent(str(error)):
                return None
            raise
        try:
            note = Note.model_validate_json(await stored.file(NOTE).contents())
        except (dagger.QueryError, ValidationError) as error:
            raise PipelineError(f"cache entry {key} is something else. Delete the tag {key}") from error
        self.cache.signing.require(key, note.signed_digest(), note.signature)
        return note

    async def _stored(self, key: str, builder: Builder) -> Note:
        """Store the base as it is, then the signed note about it."""
        compressed = dagger.ImageLayerCompression.Zstd
        published = await self._publish(builder.base(), f"{key}-image", compressed)
        note = Note(reference=await builder.reference(), digest=published.rpartition("@")[2])
        note.signature = self.cache.signing.signature(key, note.signed_digest())
        await self._publish(dag.container().with_new_file(NOTE, note.model_dump_json()), key)
        return note

    async def _taken(self, builder: Builder, note: Note) -> KeptBase:
        image = await self._from(builder.empty(), f"@{note.digest}").sync()
        return KeptBase(image=image, reference=note.reference)

    def _from(self, container: dagger.Container, name: str) -> dagger.Container:
        registry = self.cache.registry
        address = f"{registry.address}{name}"
        return entered(container, registry).from_(address, registry_service=registry.service)

    async def _publish(
        self, image: dagger.Container, tag: str, compression: dagger.ImageLayerCompression | None = None
    ) -> str:
        registry = self.cache.registry
        return await entered(image, registry).publish(
            f"{registry.address}:{tag}", forced_compression=compression, registry_service=registry.service
        )


async def note_key(builder: Builder) -> str:
    """Return `base-<sha256>` of what is asked for: the reference, the platform, the day if it is unpinned."""
    facts = {
        "image": builder.image,
        "platform": builder.platform or await dag.default_platform(),
        "day": "" if "@" in builder.image else datetime.now(UTC).date().isoformat(),
    }
    return f"base-{hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()}"
