"""Stage 8 of 8: statements about a digest in, signed bundles and their way into a registry out."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import dagger
from dagger import dag

from pipeline.check.sbom import CYCLONEDX, SPDX
from pipeline.containers import Builder, with_packages
from pipeline.errors import PipelineError
from pipeline.registry import Registry, client, options

BUNDLE: Final = "application/vnd.dev.sigstore.bundle.v0.3+json"
KEY: Final = "/run/secrets/signing-key"
LISTS: Final = {CYCLONEDX: "application/vnd.cyclonedx+json", SPDX: "application/spdx+json"}
"""File -> its media type, also the artifact type that it is found by in a registry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One text about an image, as it is attached."""

    name: str
    text: str
    media_type: str
    """Also the artifact type that it is found by in a registry."""
    annotations: Mapping[str, str] = field(default_factory=dict)
    once: bool = False
    """Whether an image keeps the first of its kind: the text holds a time."""

    @property
    def entry(self) -> dict[str, Any]:
        """Return what referrers.json says of it (programs/oci/plans.py)."""
        return {
            "file": self.name,
            "artifact_type": self.media_type,
            "media_type": self.media_type,
            "annotations": {**self.annotations, "org.opencontainers.image.title": self.name},
            "once": self.once,
        }


def signed(builder: Builder, statements: Mapping[str, str], key: dagger.Secret, now: str) -> dagger.Directory:
    """Return one sigstore bundle per statement, and referrers.json.

    Args:
        builder: the base image.
        statements: name -> in-toto statement as JSON; the bundle is `<name>.sigstore.json`.
        key: PEM of an ECDSA P-256 private key; seen only by the process that signs.
        now: any text that differs from call to call. A secret's value is not part of what an engine
            caches by: without it another key would get the bundle of the first.

    Raises:
        dagger.ExecError: the key cannot sign; stderr says why and never shows it.

    """
    tree = dag.directory()
    for name, statement in statements.items():
        tree = tree.with_new_file(f"{name}.json", statement)
    return (
        with_packages(builder, "sign/requirements.txt", "sign")
        .with_mounted_directory("/in", tree)
        .with_mounted_secret(KEY, key)
        .with_env_variable("WHEELHOUSE_NOW", now)
        .with_exec(
            ["python3", "-m", "sign.attest", "--key", KEY, "--out", "/out"]
            + [f"/in/{name}.json" for name in statements]
        )
        .directory("/out")
    )


async def referrers(documents: Sequence[Document], bundles: dagger.Directory | None) -> dagger.Directory:
    """Return the folder that says what is attached to an image: documents, bundles, referrers.json."""
    entries = [document.entry for document in documents]
    tree = dag.directory()
    for document in documents:
        tree = tree.with_new_file(document.name, document.text)
    if bundles:
        entries += json.loads(await bundles.file("referrers.json").contents())
        tree = tree.with_directory("/", bundles)
    return tree.with_new_file("referrers.json", json.dumps(entries, indent=1))


async def verified(builder: Builder, published: Registry, public_key: dagger.File) -> str:
    """Return one line per signed statement about a published image that the key holds for.

    Raises:
        dagger.ExecError: no bundle in the registry, another key, or another image; stderr says which.

    """
    fetched = attached(builder, published, BUNDLE)
    digest = await fetched.file("digest").contents()
    names = [name for name in await fetched.entries() if name.endswith(".json")]
    verify = ["python3", "-m", "sign.verify", "--public-key", "/in/key.pub", "--digest", digest]
    return await (
        with_packages(builder, "sign/requirements.txt", "sign")
        .with_mounted_directory("/in/bundles", fetched)
        .with_mounted_file("/in/key.pub", public_key)
        .with_exec([*verify, *(f"/in/bundles/{name}" for name in names)])
        .stdout()
    )


async def published_list(builder: Builder, published: Registry) -> dagger.File:
    """Return the CycloneDX list attached to a published image.

    Raises:
        dagger.ExecError: the registry refuses, or nothing is attached.
        PipelineError: several lists are attached, so that it is open which one tells the truth.

    """
    fetched = attached(builder, published, LISTS[CYCLONEDX])
    names = [name for name in await fetched.entries() if name.endswith(".json")]
    if len(names) != 1:
        raise PipelineError.of(
            f"{published.address} has {len(names)} software lists",
            expected="one",
            do="Publish the image again, under a new digest.",
        )
    return fetched.file(names[0])


def attached(builder: Builder, published: Registry, artifact_type: str) -> dagger.Directory:
    """Return what is attached to a published image as `<n>.json`, and the image's digest as `digest`."""
    fetch = ["python3", "-m", "sign.fetch", "--type", artifact_type, "--out", "/out"]
    command = [*fetch, *options(published), published.address]
    return client(builder, published, "sign").with_exec(command).directory("/out")
