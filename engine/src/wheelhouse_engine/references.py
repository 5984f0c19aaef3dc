"""Read image addresses as Docker and containerd do.

`python` => docker.io/library/python:latest; a first part with a dot, a
colon, or the word localhost is a registry.
"""

import ipaddress
import re
from dataclasses import dataclass, replace
from typing import Self

from wheelhouse_engine.imageconfig import ImageError

DEFAULT_DOMAIN = "docker.io"
MAX_NAME_CHARACTERS = 255
IMAGE_ID_CHARACTERS = 64

_DOMAIN = re.compile(
    r"(\[[0-9a-fA-F:]+\]|[a-zA-Z0-9](-*[a-zA-Z0-9])*(\.[a-zA-Z0-9](-*[a-zA-Z0-9])*)*)(:[0-9]+)?"
)
_PATH = re.compile(r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")


@dataclass(frozen=True, slots=True)
class Reference:
    """Name an image in a registry; `str` gives the full canonical form."""

    domain: str
    path: str
    tag: str = ""
    digest: str = ""
    """`sha256:…`, or empty."""

    @classmethod
    def parse(cls, address: str) -> Self:
        """Read an address, adding registry, `library/` and tag where they are left out.

        ImageError says what is malformed, in the words of the reference engine.
        """
        try:
            return cls._parse(address)
        except ImageError as error:
            raise ImageError(f"failed to parse image address {address}: {error}") from None

    @classmethod
    def _parse(cls, address: str) -> Self:
        if len(address) == IMAGE_ID_CHARACTERS and set(address) <= set("0123456789abcdef"):
            raise ImageError(
                f"invalid repository name ({address}), cannot specify 64-byte hexadecimal strings"
            )
        domain, remainder = _split_domain(address)
        name = remainder.partition(":")[0]
        if name != name.lower():
            raise ImageError(f"invalid reference format: repository name ({name}) must be lowercase")
        named, _, digest = remainder.partition("@")
        path, _, tag = named.partition(":")
        legal = (
            _DOMAIN.fullmatch(domain)
            and _PATH.fullmatch(path)
            and (_TAG.fullmatch(tag) if ":" in named else True)
            and (_DIGEST.fullmatch(digest) if "@" in remainder else True)
        )
        if not legal:
            raise ImageError("invalid reference format")
        if len(path) > MAX_NAME_CHARACTERS:
            raise ImageError(f"repository name must not be more than {MAX_NAME_CHARACTERS} characters")
        return cls(domain, path, tag or ("" if digest else "latest"), digest)

    @property
    def repository(self) -> str:
        """Return `registry/path`."""
        return f"{self.domain}/{self.path}"

    @property
    def loopback(self) -> bool:
        """Tell whether the registry runs on this machine, where plain HTTP is usual."""
        host = re.sub(r":[0-9]+$", "", self.domain).strip("[]")
        try:
            return host == "localhost" or ipaddress.ip_address(host).is_loopback
        except ValueError:
            return False  # another name, whatever it resolves to

    def at(self, digest: str) -> Self:
        """Return the same name pinned to a digest."""
        return replace(self, digest=digest)

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return f"{self.repository}{tag}" + (f"@{self.digest}" if self.digest else "")


def _split_domain(address: str) -> tuple[str, str]:
    first, slash, rest = address.partition("/")
    is_domain = slash and (set(".:") & set(first) or first == "localhost" or first != first.lower())
    domain, remainder = (first, rest) if is_domain else (DEFAULT_DOMAIN, address)
    if domain == "index.docker.io":
        domain = DEFAULT_DOMAIN
    if domain == DEFAULT_DOMAIN and "/" not in remainder:
        remainder = f"library/{remainder}"
    return domain, remainder
