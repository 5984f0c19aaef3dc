"""Stage 8 of 8: statements about a digest in, signed bundles and their way into a registry out."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import dagger
from dagger import dag

from pipeline.builder import Builder
from pipeline.errors import PipelineError
from pipeline.packages import with_packages, with_programs
from pipeline.sbom import CYCLONEDX, SPDX

BUNDLE: Final = "application/vnd.dev.sigstore.bundle.v0.3+json"
KEY: Final = "/run/secrets/signing-key"
PASSWORD: Final = "/run/secrets/registry-password"  # noqa: S105 - where it is mounted
LISTS: Final = {CYCLONEDX: "application/vnd.cyclonedx+json", SPDX: "application/spdx+json"}
"""File -> its media type, also the artifact type that it is found by in a registry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """An image in a registry, and how the registry is entered."""

    reference: str
    """REPOSITORY:TAG or REPOSITORY@sha256:…"""
    username: str = ""
    password: dagger.Secret | None = None
    insecure: bool = False
    """Whether plain HTTP may be spoken beyond this machine."""


def signed(builder: Builder, statements: Mapping[str, str], key: dagger.Secret, now: str) -> dagger.Directory:
    """Return one sigstore bundle per statement, and referrers.json.

    Args:
        builder: the base image.
        statements: name -> in-toto statement as JSON; the bundle is `<name>.sigstore.json`.
        key: PEM of an ECDSA P-256 private key; seen only by the process that signs.
        now: any text that differs from call to call. A secret's value is no part of what an engine
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


async def referrers(lists: dagger.Directory, bundles: dagger.Directory | None = None) -> dagger.Directory:
    """Return the folder that says what is attached to an image: lists, bundles, referrers.json."""
    entries = [
        {
            "file": name,
            "artifact_type": media_type,
            "media_type": media_type,
            "annotations": {"org.opencontainers.image.title": name},
        }
        for name, media_type in LISTS.items()
    ]
    tree = dag.directory().with_directory("/", lists, include=list(LISTS))
    if bundles:
        entries += json.loads(await bundles.file("referrers.json").contents())
        tree = tree.with_directory("/", bundles)
    return tree.with_new_file("referrers.json", json.dumps(entries, indent=1))


async def verified(builder: Builder, published: Published, public_key: dagger.File, now: str) -> str:
    """Return one line per signed statement about a published image that the key holds for.

    Raises:
        dagger.ExecError: no bundle in the registry, another key, or another image; stderr says which.

    """
    fetched = attached(builder, published, BUNDLE, now)
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


async def published_list(builder: Builder, published: Published, now: str) -> dagger.File:
    """Return the CycloneDX list attached to a published image.

    Raises:
        dagger.ExecError: the registry refuses, or nothing is attached.
        PipelineError: several lists are attached, so that it is open which one tells the truth.

    """
    fetched = attached(builder, published, LISTS[CYCLONEDX], now)
    names = [name for name in await fetched.entries() if name.endswith(".json")]
    if len(names) != 1:
        raise PipelineError.of(
            f"{published.reference} has {len(names)} software lists",
            expected="one",
            do="Publish the image again, under a new digest.",
        )
    return fetched.file(names[0])


def attached(builder: Builder, published: Published, artifact_type: str, now: str) -> dagger.Directory:
    """Return what is attached to a published image as `<n>.json`, and the image's digest as `digest`."""
    fetch = ["python3", "-m", "sign.fetch", "--type", artifact_type, "--out", "/out"]
    container = with_programs(builder.base(), "sign", "oci").with_env_variable("WHEELHOUSE_NOW", now)
    if published.password:
        container = container.with_mounted_secret(PASSWORD, published.password)
        fetch += ["--username", published.username, "--password-file", PASSWORD]
    if published.insecure:
        fetch += ["--insecure"]
    return container.with_exec([*fetch, published.reference]).directory("/out")
