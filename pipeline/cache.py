"""Directories shared between machines: taken from a registry when somebody trusted made them, else made.

Engines on ephemeral machines start empty. An entry is a signed artifact under the hash of what the
directory is made from (programs/oci/caching.py): base image, platform, lock, and the texts that make
it. Entries are added, never changed or deleted here; a registry may drop any of them at any time.
"""

import hashlib
import json
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import dagger
from dagger import dag

from pipeline.builder import Builder, text_file
from pipeline.errors import PipelineError
from pipeline.packages import with_programs
from pipeline.registry import Registry, client, options, steady_client
from pipeline.tags import repository_address

HERE: Final = Path(__file__).parent
OCI: Final = ("python3", "-m", "oci")
PRIVATE_KEY: Final = "/run/secrets/cache-key"
MAKE_KEY: Final = (
    "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out cache.pem; "
    "openssl pkey -in cache.pem -pubout -out cache.pub"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What a directory is made from: equal material, equal entry."""

    kind: str
    """First part of the tag: `environment`, `model`, …"""
    facts: Mapping[str, Any]
    """Whatever decides the contents, as JSON: lock, versions, options."""
    texts: Sequence[str]
    """Patterns below pipeline/ of the rooms and programs that make it."""

    async def key(self, builder: Builder) -> str:
        """Return `KIND-<sha256>`."""
        base = await builder.reference()
        platform = builder.platform or await dag.default_platform()
        facts = {"base": base or builder.image, "platform": platform, **self.facts}
        hashed = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
        for path in sorted({path for pattern in self.texts for path in HERE.glob(pattern)}):
            if path.is_file() and path.suffix != ".pyc":
                hashed.update(f"{path.relative_to(HERE)}\0".encode() + path.read_bytes() + b"\0")
        return f"{self.kind}-{hashed.hexdigest()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """The cache that a caller names."""

    registry: Registry
    private_key: dagger.Secret | None = None
    """PEM, ECDSA P-256; None: read only."""
    public_key: dagger.File | None = None
    """Its public half; None: derived from the private one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cache:
    """A repository of made directories, and whose signature on them counts.

    Reading needs the public key, writing the private one: whoever may write to the registry but has
    no key can neither plant an entry nor have one taken.
    """

    registry: Registry
    public_key: dagger.File
    private_key: dagger.Secret | None = None
    """None: read only."""

    @classmethod
    async def of(cls, builder: Builder, shared: Shared) -> Self:
        """Return the cache that the caller names.

        Raises:
            PipelineError: no key: nobody would vouch for what is taken; or a malformed address.

        """
        options(shared.registry)
        repository_address(shared.registry.address)
        public_key = shared.public_key
        if public_key is None:
            if shared.private_key is None:
                raise PipelineError.of(
                    "--cache without a key: nobody vouches for what would be taken",
                    expected="--cache-public-key to read, --cache-key to read and write",
                    do=f"Make a pair: {MAKE_KEY}",
                )
            public_key = await _public_half(builder, shared.private_key)
        return cls(registry=shared.registry, public_key=public_key, private_key=shared.private_key)

    async def through(
        self, builder: Builder, material: Material, make: Callable[[], Awaitable[dagger.Directory]]
    ) -> dagger.Directory:
        """Return the directory of a material: another machine's, else made here and shared.

        A registry that does not answer and an entry that nobody vouches for are told on stderr; the
        directory is then made as if there were no cache. So is a refused write: the cache speeds up
        and decides nothing.
        """
        key = await material.key(builder)
        try:
            taken = await self._taken(builder, key)
        except dagger.ExecError as error:
            _tell(key, error, "made here instead")
            taken = None
        if taken is not None:
            return taken
        made = await (await make()).sync()
        if self.private_key is not None:
            try:
                await self._store(builder, key, made)
            except dagger.ExecError as error:
                _tell(key, error, "not shared")
        return made

    async def _taken(self, builder: Builder, key: str) -> dagger.Directory | None:
        """Return the entry of a key; an engine that asked once remembers the answer."""
        # Onto mounts: what is written there is kept as it is and is no layer of anything.
        asking = steady_client(builder, self.registry).with_mounted_directory("/fetched", dag.directory())
        fetched = asking.with_exec(self._command("take", key, "/fetched"))
        if not json.loads(await fetched.stdout())["found"]:
            return None
        opened = (
            with_programs(builder.base(), "oci")
            .with_mounted_directory("/in", fetched.directory("/fetched"))
            .with_mounted_directory("/opened", dag.directory())
            .with_mounted_file("/keys/cache.pub", self.public_key)
            .with_exec([*OCI, "open", key, "/in", "/opened/tree", "--public-key", "/keys/cache.pub"])
        )
        return await opened.directory("/opened/tree").sync()

    async def _store(self, builder: Builder, key: str, made: dagger.Directory) -> None:
        """Sign and push a directory, unless the registry has an entry of its key."""
        asked = client(builder, self.registry).with_exec(self._command("has", key))
        if json.loads(await asked.stdout())["found"] or self.private_key is None:
            return
        sealed = (
            with_programs(builder.base(), "oci")
            .with_mounted_directory("/in", made)
            .with_mounted_secret(PRIVATE_KEY, self.private_key)
            # A secret's value is no part of what an engine remembers an answer by; its public half is.
            .with_mounted_file("/keys/cache.pub", self.public_key)
            .with_exec([*OCI, "seal", key, "/out", "/in", "--private-key", PRIVATE_KEY])
        )
        pushing = client(builder, self.registry).with_mounted_directory("/in", sealed.directory("/out"))
        await pushing.with_exec(self._command("store", key, "/in")).sync()

    def _command(self, verb: str, key: str, *words: str) -> list[str]:
        return [*OCI, verb, self.registry.address, key, *words, *options(self.registry)]


async def _public_half(builder: Builder, private_key: dagger.Secret) -> dagger.File:
    """Return the public key of a private one; asked anew each time, because the key may be another."""
    answer = await (
        client(builder, Registry(address=""))
        .with_mounted_secret(PRIVATE_KEY, private_key)
        .with_exec([*OCI, "public-key", PRIVATE_KEY])
        .stdout()
    )
    return text_file("cache.pub", json.loads(answer)["public_key"])


def _tell(key: str, error: dagger.ExecError, what: str) -> None:
    said = error.stderr.strip().splitlines() or [str(error)]
    print(f"cache: {key[:24]}…: {said[-1]}; {what}", file=sys.stderr)  # noqa: T201 - stdout is the result
