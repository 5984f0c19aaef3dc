"""Find the credentials of a registry as docker does: config.json, then its credential helpers."""

import base64
import binascii
import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from oci.errors import RegistryError
from oci.references import HUB

HUB_KEY: Final = "https://index.docker.io/v1/"
"""Docker Hub's name in config.json and for credential helpers."""
HELPER_TIMEOUT_S: Final = 30
NOT_FOUND: Final = "credentials not found"
"""What a helper prints when it knows nothing. Source: docker-credential-helpers, credentials/error.go."""
IDENTITY_TOKEN: Final = "<token>"  # noqa: S105 - a marker of the helper protocol


@dataclass(frozen=True, slots=True)
class Credentials:
    """What one registry asks for; never printed."""

    username: str = field(repr=False)
    password: str = field(repr=False)
    identity: bool = False
    """Whether `password` is an OAuth2 refresh token."""

    @property
    def basic(self) -> str:
        """Return the value of an Authorization header."""
        pair = f"{self.username}:{self.password}".encode()
        return f"Basic {base64.b64encode(pair).decode()}"


def config_files(environment: Mapping[str, str]) -> list[Path]:
    """Return where docker and podman keep logins, first match first."""
    home = Path(environment.get("HOME", "/root"))
    candidates = [environment.get("REGISTRY_AUTH_FILE")]
    docker = environment.get("DOCKER_CONFIG")
    candidates.append(f"{docker}/config.json" if docker else f"{home}/.docker/config.json")
    if runtime := environment.get("XDG_RUNTIME_DIR"):
        candidates.append(f"{runtime}/containers/auth.json")
    return [Path(path) for path in candidates if path]


def find_credentials(domain: str, environment: Mapping[str, str] | None = None) -> Credentials | None:
    """Return the credentials that docker or podman have for a registry, or None.

    Raises:
        RegistryError: a config.json is not JSON, or its helper is missing or fails.

    """
    for path in config_files(os.environ if environment is None else environment):
        if path.is_file() and (found := _from_config(path, domain)):
            return found
    return None


def _from_config(path: Path, domain: str) -> Credentials | None:
    try:
        config = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise RegistryError(f"{path}: not JSON ({error}). Run `docker login` again") from error
    keys = [HUB_KEY, HUB, "index.docker.io"] if domain == HUB else [domain]
    for key in keys:
        helper = (config.get("credHelpers") or {}).get(key)
        if helper and (found := _from_helper(helper, key)):
            return found
    entries: dict[str, Any] = config.get("auths") or {}
    named = {_host(key): entry for key, entry in entries.items()}
    for key in keys:
        entry = entries.get(key) or named.get(_host(key))
        if entry and (found := _from_entry(entry)):
            return found
    if store := config.get("credsStore"):
        return next((found for key in keys if (found := _from_helper(store, key))), None)
    return None


def _from_entry(entry: Mapping[str, str]) -> Credentials | None:
    if token := entry.get("identitytoken"):
        return Credentials("", token, identity=True)
    if packed := entry.get("auth"):
        try:
            username, _, password = base64.b64decode(packed).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError) as error:
            raise RegistryError("a docker login is not base64. Log in again with `docker login`") from error
        return Credentials(username, password.rstrip("\0"))
    if entry.get("username"):
        return Credentials(entry["username"], entry.get("password", ""))
    return None


def _from_helper(helper: str, key: str) -> Credentials | None:
    program = f"docker-credential-{helper}"
    try:
        answer = subprocess.run(
            [program, "get"], input=key, capture_output=True, text=True, timeout=HELPER_TIMEOUT_S, check=False
        )
    except FileNotFoundError as error:
        raise RegistryError(
            f"{program} is not installed; docker's config.json names it. Install it or pass --username"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise RegistryError(f"{program} gave no answer in {HELPER_TIMEOUT_S} s. Run it by hand") from error
    if answer.returncode:
        if NOT_FOUND in answer.stdout + answer.stderr:
            return None
        # Only stderr: stdout may carry the secret.
        raise RegistryError(f"{program} ended with {answer.returncode}: {answer.stderr.strip()}")
    try:
        document = json.loads(answer.stdout)
        username, secret = str(document["Username"]), str(document["Secret"])
    except (ValueError, KeyError, TypeError):
        # The output is left out: it may carry the secret.
        raise RegistryError(
            f"{program} printed no JSON with Username and Secret. Run `docker login` again"
        ) from None
    identity = username == IDENTITY_TOKEN
    return Credentials("" if identity else username, secret, identity=identity)


def _host(key: str) -> str:
    return key.removeprefix("https://").removeprefix("http://").partition("/")[0]
