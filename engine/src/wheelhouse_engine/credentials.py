"""Hand passwords to skopeo through a file that only it reads."""

import base64
import contextlib
import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Credentials:
    """Hold what one registry asks for; the password is never printed."""

    username: str
    password: str = field(repr=False)


@contextlib.contextmanager
def auth_file(domain: str, credentials: Credentials | None) -> Iterator[list[str]]:
    """Yield skopeo's options; the password's file is gone afterwards.

    Without credentials skopeo uses what `docker login` or `podman login` left.
    """
    if credentials is None:
        yield []
        return
    pair = f"{credentials.username}:{credentials.password}".encode()
    document = {"auths": {domain: {"auth": base64.b64encode(pair).decode()}}}
    with tempfile.NamedTemporaryFile("w", dir=memory_folder(), prefix="auth-", suffix=".json") as file:
        json.dump(document, file)  # made with mode 0600
        file.flush()
        yield ["--authfile", file.name]


def memory_folder() -> Path | None:
    """Return a writable folder in memory; None means the default one."""
    candidates = [os.environ.get("XDG_RUNTIME_DIR", ""), "/dev/shm"]  # noqa: S108 - files are 0600 with random names
    for candidate in candidates:
        if candidate and os.access(candidate, os.W_OK | os.X_OK):
            return Path(candidate)
    return None
