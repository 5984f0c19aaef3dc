"""Who vouches for a cache entry: an ECDSA signature over its key and its digest, by openssl.

openssl is in the base images of Python, because their certificates need it: nothing is installed,
and the key is seen by no other code.
"""

import base64
import binascii
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from oci.errors import CorruptError, RegistryError

DO: Final = "Make one with `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256`"


def statement(key: str, digest: str) -> bytes:
    """Return the bytes that are signed."""
    return f"wheelhouse cache entry\n{key}\n{digest}\n".encode()


def signature(key: str, digest: str, private_key: Path) -> str:
    """Return the signature as base64.

    Raises:
        RegistryError: the file is no private key; its contents are not shown.

    """
    done = _openssl(["dgst", "-sha256", "-sign", str(private_key)], statement(key, digest))
    if done.returncode:
        raise RegistryError(f"the cache key cannot sign; expected a PEM private key. {DO}")
    return base64.b64encode(done.stdout).decode()


def public_key(private_key: Path) -> str:
    """Return the PEM of the public half of a private key.

    Raises:
        RegistryError: the file is no private key; its contents are not shown.

    """
    done = _openssl(["pkey", "-in", str(private_key), "-pubout"], b"")
    if done.returncode:
        raise RegistryError(f"the cache key cannot be read; expected a PEM private key. {DO}")
    return done.stdout.decode()


def require_vouched(key: str, digest: str, signed: str, public: Path) -> None:
    """Check that the owner of a public key vouches for an entry.

    Raises:
        CorruptError: no signature, or one by another key or about another entry.
        RegistryError: the file is no public key.

    """
    try:
        raw = base64.b64decode(signed, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    with tempfile.NamedTemporaryFile() as file:
        file.write(raw)
        file.flush()
        verify = ["dgst", "-sha256", "-verify", str(public), "-signature", file.name]
        done = _openssl(verify, statement(key, digest))
    if done.returncode:
        _require_public_key(public)
        raise CorruptError(
            f"cache entry {key} is poisoned: no signature by the key that is trusted here. "
            f"Delete the tag {key}, and find out who wrote it"
        )


def _require_public_key(path: Path) -> None:
    if _openssl(["pkey", "-pubin", "-in", str(path), "-noout"], b"").returncode:
        raise RegistryError(
            "the cache's public key cannot be read; expected a PEM public key. "
            "Write one with `openssl pkey -in cache.pem -pubout -out cache.pub`"
        )


def _openssl(words: list[str], given: bytes) -> "subprocess.CompletedProcess[bytes]":
    try:
        return subprocess.run(["openssl", *words], input=given, capture_output=True, check=False)
    except FileNotFoundError as error:
        raise RegistryError(
            "the base image has no openssl, which checks cache entries. Build without --cache"
        ) from error
