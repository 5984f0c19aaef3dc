"""Remote build cache: fetch a signed directory from a registry, or build it and upload it.

Engines on ephemeral machines start empty. An entry is a signed artifact under the hash of what the
directory is built from (programs/oci/caching.py): base image, platform, lock, and the code that builds
it. Entries are added, never changed or deleted here; a registry may drop any of them at any time.
"""

import hashlib
import json
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import anyio
import dagger
from dagger import dag

from pipeline.build.cache_signing import CacheSigning
from pipeline.containers import Builder, with_programs
from pipeline.errors import PipelineError
from pipeline.registry import Registry, client, options, repository_address, steady_client

PIPELINE: Final = Path(__file__).parents[1]
OCI: Final = ("python3", "-m", "oci")
TEMPORARY_FAILURE: Final = 75
"""Exit status of the client where a registry stayed silent after all tries (programs/oci/__main__.py)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheKey:
    """Cache key: everything that a directory is built from."""

    kind: str
    """First part of the tag: `environment`, `model`, …"""
    facts: Mapping[str, Any]
    """Whatever decides the contents, as JSON: lock, versions, options."""
    texts: Sequence[str]
    """Patterns below pipeline/ of the code and programs that build it."""

    async def key(self, builder: Builder) -> str:
        """Return `KIND-<sha256>`."""
        base = await builder.reference()
        platform = builder.platform or await dag.default_platform()
        facts = {"base": base or builder.image, "platform": platform, **self.facts}
        hashed = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
        for path in sorted({path for pattern in self.texts for path in PIPELINE.glob(pattern)}):
            if path.is_file() and path.suffix != ".pyc":
                hashed.update(f"{path.relative_to(PIPELINE)}\0".encode() + path.read_bytes() + b"\0")
        return f"{self.kind}-{hashed.hexdigest()}"


Build = Callable[[], Awaitable[dagger.Directory]]


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteCacheOptions:
    """Address and keys of a remote build cache."""

    registry: Registry
    private_key: dagger.Secret | None = None
    """PEM, ECDSA P-256; None: read only."""
    public_key: dagger.File | None = None
    """Its public half; None: derived from the private one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteCache:
    """Signed remote build cache.

    Reading needs the public key, writing the private one: whoever may write to the registry but has
    no key can neither plant an entry nor have one taken.
    """

    registry: Registry
    signing: CacheSigning
    silent: set[str] = field(default_factory=set)
    """Registries that stayed silent once: for this call nobody waits for them again."""

    @classmethod
    async def of(cls, shared: RemoteCacheOptions) -> Self:
        """Return the cache that the caller names.

        Raises:
            PipelineError: no key to verify entries with, or a malformed key or address.

        """
        options(shared.registry)
        repository_address(shared.registry.address)
        private_pem = await shared.private_key.plaintext() if shared.private_key else ""
        public_pem = await shared.public_key.contents() if shared.public_key else ""
        signing = CacheSigning.by(private_pem=private_pem, public_pem=public_pem)
        return cls(registry=shared.registry, signing=signing)

    async def get_or_build(self, builder: Builder, cache_key: CacheKey, build: Build) -> dagger.Directory:
        """Return the cached directory of a key, or build it and upload it.

        A registry that does not answer, an entry without a valid signature and a refused write are
        reported on stderr; the directory is then built as if there were no cache.
        """
        key = await cache_key.key(builder)
        taken = await self._asked(builder, key)
        if taken is not None:
            return taken
        made = await (await build()).sync()
        await self._offered(builder, key, made)
        return made

    async def _asked(self, builder: Builder, key: str) -> dagger.Directory | None:
        """Return the entry of a key, None where there is none to be had."""
        if self.silent:
            return None
        try:
            return await self._taken(builder, key) or await self._taken_since(builder, key)
        except (dagger.ExecError, PipelineError) as error:
            self._note_silence(error)
            tell(key, error, "made here instead")
            return None

    async def _offered(self, builder: Builder, key: str, made: dagger.Directory) -> None:
        """Share a directory if this machine may and the registry takes it."""
        if self.silent or self.signing.private_key is None:
            return
        try:
            await self._store(builder, key, made)
        except dagger.ExecError as error:
            self._note_silence(error)
            tell(key, error, "not shared")

    def _note_silence(self, error: Exception) -> None:
        if isinstance(error, dagger.ExecError) and error.exit_code == TEMPORARY_FAILURE:
            self.silent.add(self.registry.host)

    async def _taken(self, builder: Builder, key: str, seen: str = "") -> dagger.Directory | None:
        """Return the entry of a key; an engine that asked with these words before remembers the answer."""
        # Onto mounts: what is written there is kept as it is and is in no layer.
        asking = steady_client(builder, self.registry).with_mounted_directory("/fetched", dag.directory())
        fetched = asking.with_env_variable("SEEN", seen).with_exec(self._command("take", key, "/fetched"))
        entry = json.loads(await fetched.stdout())
        if not entry["found"]:
            return None
        self.signing.require(key, entry["digest"], entry["signature"])
        opened = (
            with_programs(builder.base(), "oci")
            .with_mounted_directory("/in", fetched.directory("/fetched"))
            .with_mounted_directory("/opened", dag.directory())
            .with_exec([*OCI, "unpack", "/in", "/opened/tree", entry["digest"]])
        )
        return await opened.directory("/opened/tree").sync()

    async def _taken_since(self, builder: Builder, key: str) -> dagger.Directory | None:
        """Return an entry that was stored after this engine had remembered that there is none."""
        asked = client(builder, self.registry).with_exec(self._command("has", key))
        answer = await asked.stdout()
        return await self._taken(builder, key, answer) if json.loads(answer)["found"] else None

    async def _store(self, builder: Builder, key: str, made: dagger.Directory) -> None:
        """Sign and push a directory; an entry that somebody else has stored meanwhile stays."""
        packed = (
            with_programs(builder.base(), "oci")
            .with_mounted_directory("/in", made)
            .with_exec([*OCI, "pack", "/out", "/in"])
        )
        digest = json.loads(await packed.stdout())["digest"]
        pushing = client(builder, self.registry).with_mounted_directory("/in", packed.directory("/out"))
        signature = self.signing.signature(key, digest)
        await pushing.with_exec(self._command("store", key, "/in", "--signature", signature)).sync()

    def _command(self, verb: str, key: str, *words: str) -> list[str]:
        return [*OCI, verb, self.registry.address, key, *words, *options(self.registry)]


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildCache:
    """Directories that several stages of one call need: each is built once, or fetched once."""

    remote: RemoteCache | None = None
    _built: dict[str, dagger.Directory] = field(default_factory=dict, init=False)
    _turns: dict[str, anyio.Lock] = field(default_factory=dict, init=False)

    async def get_or_build(self, builder: Builder, key: CacheKey, build: Build) -> dagger.Directory:
        """Return the directory of a key; concurrent stages wait for the first one that asks."""
        name = json.dumps([key.kind, key.facts], sort_keys=True)
        async with self._turns.setdefault(name, anyio.Lock()):
            if name not in self._built:
                if self.remote:
                    self._built[name] = await self.remote.get_or_build(builder, key, build)
                else:
                    self._built[name] = await (await build()).sync()
        return self._built[name]


def tell(key: str, error: Exception, what: str) -> None:
    """Say on stderr what the cache could not do, and what happens instead."""
    text = error.stderr if isinstance(error, dagger.ExecError) else str(error)
    said = text.strip().splitlines() or [str(error)]
    print(f"cache: {key[:24]}…: {said[-1]}; {what}", file=sys.stderr)  # noqa: T201 - stdout is the result
