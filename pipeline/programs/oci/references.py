"""Names of repositories: `HOST[:PORT]/PATH`, with Docker Hub's short forms."""

import ipaddress
import re
from dataclasses import dataclass
from typing import Final, Self

from oci.errors import RegistryError

HUB: Final = "docker.io"
HUB_HOST: Final = "registry-1.docker.io"
_PATH: Final = re.compile(r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*")
TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
"""Source: OCI distribution specification, "Pulling manifests"."""
DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class RepositoryName:
    """A repository of a registry."""

    domain: str
    """As the user writes it, and as a docker config.json names it."""
    path: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the name without tag and digest.

        Raises:
            RegistryError: a tag, a digest, capitals or no path.

        """
        first, slash, rest = text.partition("/")
        hosted = bool(slash) and ("." in first or ":" in first or first == "localhost")
        domain, path = (first, rest) if hosted else (HUB, text)
        if domain == HUB and "/" not in path:
            path = f"library/{path}"
        if not _PATH.fullmatch(path):
            raise RegistryError(
                f"repository {text!r}; expected HOST/PATH in lower case without tag or digest, "
                "e.g. ghcr.io/me/app. Fix the address"
            )
        return cls(domain, path)

    @property
    def host(self) -> str:
        """Return the `host[:port]` that answers."""
        return HUB_HOST if self.domain == HUB else self.domain

    @property
    def loopback(self) -> bool:
        """Whether the registry is on this machine, where plain HTTP is no risk."""
        name = self.host.rpartition(":")[0] if self.host.rpartition(":")[2].isdigit() else self.host
        try:
            return name == "localhost" or ipaddress.ip_address(name.strip("[]")).is_loopback
        except ValueError:
            return False

    def __str__(self) -> str:
        return f"{self.domain}/{self.path}"


def split_reference(text: str) -> tuple[RepositoryName, str]:
    """Return the repository and the tag or digest of `REPOSITORY[:TAG|@DIGEST]`; "latest" without one.

    Raises:
        RegistryError: the tag or digest is malformed.

    """
    name, at, digest = text.partition("@")
    head, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:
        head, tag = name, "latest"
    if at:
        tag = digest
    if not (DIGEST.fullmatch(tag) or TAG.fullmatch(tag)):
        raise RegistryError(
            f"reference {text!r}; expected REPOSITORY:TAG or REPOSITORY@sha256:<64 hex>. Fix it"
        )
    return RepositoryName.parse(head), tag


def fallback_tag(digest: str) -> str:
    """Return the tag of a manifest's referrers on registries that keep no list of them."""
    return digest.replace(":", "-")
