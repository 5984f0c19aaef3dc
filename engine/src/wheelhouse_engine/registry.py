"""Pull from and push to registries with skopeo.

Passwords travel in a file of mode 0600 in memory, never in an argument list.
A registry that does not answer is remembered for the session, so that the
next image does not wait for it again.
"""

import asyncio
import contextlib
import hashlib
import os
import re
import tempfile
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import tenacity

from wheelhouse_engine.archives import LoadedImage, config_of, said
from wheelhouse_engine.credentials import Credentials, auth_file
from wheelhouse_engine.diskspace import is_full, no_space
from wheelhouse_engine.imageconfig import ImageError
from wheelhouse_engine.layers import Storage
from wheelhouse_engine.oci import Layout
from wheelhouse_engine.references import DEFAULT_DOMAIN, Reference
from wheelhouse_engine.runner import CommandError, Runner, checked
from wheelhouse_engine.staging import STAGING_PREFIX, sweep

MIRROR_VARIABLE: Final = "WHEELHOUSE_REGISTRY_MIRROR"
"""Environment variable: a registry (with an optional path) that answers for docker.io."""
CONNECT_TIMEOUT_S: Final = 5.0
ATTEMPTS: Final = 12
FIRST_WAIT_S: Final = 0.5
LONGEST_WAIT_S: Final = 15.0
DOCKER_HUB_HOST: Final = "registry-1.docker.io"
HTTP_PORT: Final = 80
HTTPS_PORT: Final = 443

_STATUS: Final = r"status(?: ?code)?[^0-9\n]{0,40}"
_PASSING: Final = re.compile(
    _STATUS + r"(?:429|5\d\d)\b|too ?many ?requests|connection reset|unexpected eof|: eof\b|i/o timeout"
    r"|tls handshake timeout|connection refused|broken pipe|server closed idle",
    re.IGNORECASE,
)
_REFUSED: Final = re.compile(
    r"unauthorized|authentication required|access to the resource is denied|denied:|" + _STATUS + r"40[13]\b",
    re.IGNORECASE,
)
_MISSING: Final = re.compile(
    r"manifest unknown|name unknown|name invalid|not found|repository name not known", re.IGNORECASE
)


class NoAnswerError(ImageError):
    """Say that a registry cannot be reached at all."""


class NotFoundError(ImageError):
    """Say that the registry answers and does not have the image."""


class _PassingError(ImageError):
    """Say that trying again may help: 429, 5xx, a cut connection."""


@dataclass(slots=True)
class Registry:
    """Talk to registries for one session."""

    runner: Runner
    storage: Storage
    endpoints: Mapping[str, str] = field(default_factory=lambda: mirror_from(os.environ))
    """Registry -> the registry (with an optional path) that answers in its place."""
    trusted: bool = False
    """The endpoints are the registries themselves: passwords are for them."""
    first_wait_s: float = FIRST_WAIT_S
    silent: dict[str, str] = field(default_factory=dict)
    """`host:port` -> why it does not answer."""

    async def pull(
        self, reference: Reference, platform: str, credentials: Credentials | None = None
    ) -> LoadedImage:
        """Bring one platform of an image into storage.

        NoAnswerError: no such host or no connection within 5 s;
        NotFoundError: not there; ImageError: refused or broken.
        """
        try:
            return await self._pull(reference, platform, credentials)
        except ImageError as error:
            where = f'failed to resolve image "{reference}" (platform: "{platform}")'
            raise type(error)(f"{where}: {error}") from error

    async def _pull(
        self, reference: Reference, platform: str, credentials: Credentials | None
    ) -> LoadedImage:
        source = self._endpoint(reference)
        await self._expect_answer(source)
        name = f"wheelhouse.localhost/pulled:{_word(f'{source}-{platform}')}"
        system, architecture, *variant = platform.split("/")
        options = ["--override-os", system, "--override-arch", architecture]
        options += ["--override-variant", variant[0]] if variant else []
        with tempfile.NamedTemporaryFile(prefix="digest-") as digest_file:
            options += ["--digestfile", digest_file.name]
            target = self.storage.reference(name)
            await self._copy(
                [*_tls("src", source), *options, f"docker://{_skopeo_name(source)}", target],
                source,
                reference,
                credentials,
            )
            digest = digest_file.read().decode().strip()
        image_id, config = await config_of(self.runner, self.storage, name)
        if (config.os, config.architecture) != (system, architecture):
            raise NotFoundError(f"{reference}: there is only {config.platform}")
        return LoadedImage(image_id, config, digest)

    async def push(self, layout: Layout, reference: Reference, credentials: Credentials | None = None) -> str:
        """Push a layout unchanged and return `repo:tag@sha256:…`.

        ImageError when the registry refuses, does not answer, or stores
        other bytes than it was given.
        """
        target = self._endpoint(reference)
        try:
            await self._expect_answer(target)
            sweep(self.storage.root.parent)
            with tempfile.TemporaryDirectory(dir=self.storage.root.parent, prefix=STAGING_PREFIX) as scratch:
                digest_file = Path(scratch, "digest")
                folder = Path(scratch, "layout")
                await asyncio.to_thread(layout.write_directory, folder)
                options = ["--all", "--preserve-digests", "--digestfile", str(digest_file)]
                options += [*_tls("dest", target), f"oci:{folder}", f"docker://{_skopeo_name(target)}"]
                await self._copy(options, target, reference, credentials)
                stored = digest_file.read_text().strip()
        except ImageError as error:
            raise type(error)(f'failed to publish "{reference}": {error}') from error
        if stored != layout.digest:
            raise ImageError(f'failed to publish "{reference}": stored {stored}, expected {layout.digest}')
        return str(reference.at(layout.digest))

    def mirrored(self, reference: Reference) -> bool:
        """Say whether a mirror is named for the registry of an image."""
        return reference.domain in self.endpoints

    def _endpoint(self, reference: Reference) -> Reference:
        """Return where the image is really asked for."""
        endpoint = self.endpoints.get(reference.domain)
        if endpoint is None:
            return reference
        domain, _, prefix = endpoint.partition("/")
        path = f"{prefix.rstrip('/')}/{reference.path}" if prefix else reference.path
        return Reference(domain, path, reference.tag, reference.digest)

    async def _expect_answer(self, reference: Reference) -> None:
        host, port = _address(reference)
        server = f"{host}:{port}"
        reason = self.silent.get(server)
        if reason is None and not await _connects(host, port):
            reason = f"registry {server} does not answer (tried for at most {CONNECT_TIMEOUT_S:.0f} s)"
            self.silent[server] = reason
        if reason is not None:
            raise NoAnswerError(reason)

    async def _copy(
        self, arguments: list[str], server: Reference, asked: Reference, credentials: Credentials | None
    ) -> None:
        retrying = tenacity.AsyncRetrying(
            stop=tenacity.stop_after_attempt(ATTEMPTS),
            wait=tenacity.wait_random_exponential(multiplier=self.first_wait_s, max=LONGEST_WAIT_S),
            retry=tenacity.retry_if_exception_type(_PassingError),
            reraise=True,
        )
        # a password for docker.io is not for the mirror that answers in its place
        own = credentials if self.trusted or server.domain == asked.domain else None
        with auth_file(server.domain, own) as auth:
            command = ["skopeo", "copy", "--quiet", *policy(), *auth, *arguments]
            async for attempt in retrying:
                with attempt, _explained(asked, self.storage.root.parent):
                    await checked(self.runner, command)


def policy() -> list[str]:
    """Return skopeo's options: this machine's signature policy decides where there is one."""
    files = (Path.home() / ".config/containers/policy.json", Path("/etc/containers/policy.json"))
    return [] if any(file.exists() for file in files) else ["--insecure-policy"]


def mirror_from(environment: Mapping[str, str]) -> dict[str, str]:
    """Read the mirror of docker.io from the environment."""
    mirror = environment.get(MIRROR_VARIABLE, "").removeprefix("https://").removeprefix("http://").rstrip("/")
    return {DEFAULT_DOMAIN: mirror} if mirror else {}


def _skopeo_name(reference: Reference) -> str:
    """Return the address as skopeo takes it: a digest or a tag, not both."""
    suffix = f"@{reference.digest}" if reference.digest else f":{reference.tag}"
    return f"{reference.repository}{suffix}"


def _tls(side: str, server: Reference) -> list[str]:
    """Allow plain HTTP on this machine only."""
    return [f"--{side}-tls-verify=false"] if server.loopback else []


def _word(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _address(reference: Reference) -> tuple[str, int]:
    """Return host and port of the registry, or of the proxy in front of it."""
    host = DOCKER_HUB_HOST if reference.domain == DEFAULT_DOMAIN else reference.domain
    parts = urllib.parse.urlsplit(f"//{host}")
    name = parts.hostname or host
    proxy = urllib.request.getproxies().get("https")
    if proxy and not reference.loopback and not urllib.request.proxy_bypass(name):
        through = urllib.parse.urlsplit(proxy if "//" in proxy else f"//{proxy}")
        return through.hostname or name, through.port or HTTP_PORT
    return name, parts.port or (HTTP_PORT if reference.loopback else HTTPS_PORT)


async def _connects(host: str, port: int) -> bool:
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True


@contextlib.contextmanager
def _explained(asked: Reference, store: Path) -> Iterator[None]:
    """Turn what skopeo says into one of the errors of this file."""
    try:
        yield
    except FileNotFoundError as error:
        raise ImageError("skopeo is not installed. Run `apt-get install skopeo`") from error
    except CommandError as error:
        text = said(error.completed.error_text)
        if is_full(text):
            raise no_space(store, said=text) from error
        if _REFUSED.search(text):
            raise ImageError(f"the registry refuses access: {text}. Check withRegistryAuth") from error
        if _MISSING.search(text):
            raise NotFoundError(f"{asked}: not found") from error
        if _PASSING.search(text):
            raise _PassingError(text) from error
        raise ImageError(text) from error
