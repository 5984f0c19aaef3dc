"""Stage 8 of 8: how a registry is entered, and the container whose client speaks to it."""

import re
import uuid
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

import dagger

from pipeline.containers import Builder, with_programs
from pipeline.errors import PipelineError

PASSWORD: Final = "/run/secrets/registry-password"  # noqa: S105 - where it is mounted
LOGIN: Final = "/run/secrets/docker"
ABSENT: Final = re.compile(r"not found|(manifest|name)[ _]unknown", re.IGNORECASE)
REFUSED: Final = re.compile(
    r"authori[sz]|authenticat|credential|denied|forbidden|\b40[13]\b|\b5\d\d\b", re.IGNORECASE
)
BOUND: Final = "registry"
"""Name of a registry that is bound to the client's container and has only an IP address of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """One registry, and as whom it is spoken to."""

    address: str
    """REGISTRY/REPOSITORY; for reading also with :TAG or @sha256:…"""
    username: str = ""
    password: dagger.Secret | None = None
    docker_config: dagger.Secret | None = None
    """A docker config.json; used where no password is given."""
    service: dagger.Service | None = None
    """A registry that only the caller's machine reaches."""
    insecure: bool = False
    """Plain HTTP beyond loopback addresses."""

    @property
    def host(self) -> str:
        """Return `HOST[:PORT]`."""
        return self.address.partition("/")[0]

    @property
    def alias(self) -> str:
        """Return the name that the service is bound under: the host's own, where it is a name."""
        name = self.host.rpartition(":")[0] or self.host
        return BOUND if name == "localhost" or _is_ip(name) else name


def client(builder: Builder, registry: Registry, *programs: str) -> dagger.Container:
    """Return the base with the registry client and the login; what it does is never cached."""
    return steady_client(builder, registry, *programs).with_env_variable("WHEELHOUSE_RUN", uuid.uuid4().hex)


def steady_client(builder: Builder, registry: Registry, *programs: str) -> dagger.Container:
    """Return the same for questions that an engine may remember the answer of."""
    container = with_programs(builder.base(), "oci", *programs)
    if registry.password:
        container = container.with_mounted_secret(PASSWORD, registry.password)
    elif registry.docker_config:
        container = container.with_mounted_secret(f"{LOGIN}/config.json", registry.docker_config)
        container = container.with_env_variable("DOCKER_CONFIG", LOGIN)
    return container.with_service_binding(registry.alias, registry.service) if registry.service else container


def entered(container: dagger.Container, registry: Registry) -> dagger.Container:
    """Return a container whose images the engine itself takes and publishes with the login.

    Without a password the engine uses what the caller's machine knows (`docker login`).
    """
    if registry.password is None:
        return container
    return container.with_registry_auth(registry.host, registry.username, registry.password)


def is_absent(error: str) -> bool:
    """Return whether an engine's error says that a registry answered and has no such image.

    Engines give only a text. One that also names a refusal is not an answer: registries call private
    repositories absent for who is not logged in.
    """
    return bool(ABSENT.search(error)) and not REFUSED.search(error)


def options(registry: Registry) -> list[str]:
    """Return the words that tell the client how to speak to a registry.

    Raises:
        PipelineError: a password without a username, or the reverse.

    """
    if bool(registry.username) != (registry.password is not None):
        raise PipelineError.of(
            "a username without a password" if registry.username else "a password without a username",
            expected="both or neither",
            do="Pass --username=me --password=env://REGISTRY_PASSWORD.",
        )
    words = ["--username", registry.username, "--password-file", PASSWORD] if registry.username else []
    if registry.service:
        port = registry.host.rpartition(":")[2] if ":" in registry.host else ""
        words += ["--endpoint", f"{registry.host}={registry.alias}{':' if port else ''}{port}"]
    return [*words, *(["--insecure"] if registry.insecure else [])]


def _is_ip(name: str) -> bool:
    try:
        ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def repository_address(address: str) -> str:
    """Return an address that has no tag or digest of its own.

    Raises:
        PipelineError: it has one, or names no repository.

    """
    name = address.rpartition("/")[2]
    if "@" in address or ":" in name or "/" not in address or not name:
        raise PipelineError.of(
            f"address {address!r}",
            expected="REGISTRY/REPOSITORY without tag or digest, e.g. ghcr.io/me/app",
            do="Leave the tag to the pipeline: it is made from the git commit.",
        )
    return address
