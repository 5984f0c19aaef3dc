"""Signatures of the remote cache: ECDSA P-256 over a cache key and a digest.

Judged in the module's own process: containers carry bytes and see no key, and even the base image that
they run on can come from a cache, because nothing of it runs before this has said yes.
"""

import base64
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

from pipeline.errors import PipelineError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey

MAKE_KEY: Final = (
    "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out cache.pem; "
    "openssl pkey -in cache.pem -pubout -out cache.pub"
)
P_256: Final = "secp256r1"


@dataclass(frozen=True, slots=True)
class CacheSigning:
    """The key whose signature counts and, on a machine that writes, its private half."""

    public_key: "EllipticCurvePublicKey"
    private_key: "EllipticCurvePrivateKey | None" = field(default=None, repr=False)

    @classmethod
    def by(cls, *, private_pem: str = "", public_pem: str = "") -> Self:
        """Return what PEM texts say; without a public one it is the private one's half.

        Raises:
            PipelineError: no key, or something else than a P-256 key, or two that are not a pair; its text is
                not shown.

        """
        private = _private_key(private_pem) if private_pem else None
        if public_pem:
            public = _public_key(public_pem)
            if private and private.public_key() != public:
                raise PipelineError.of(
                    "--cache-key and --cache-public-key are not a pair",
                    expected="the public half of the private key: readers would take nothing that it signs",
                    do="Replace the public key file (.github/cache.pub in the workflows): "
                    "openssl pkey -in cache.pem -pubout",
                )
            return cls(public, private)
        if private is None:
            raise PipelineError.of(
                "--cache needs a key to verify entries",
                expected="--cache-public-key to read, --cache-key to read and write",
                do=f"Make a pair: {MAKE_KEY}",
            )
        return cls(private.public_key(), private)

    def signature(self, key: str, digest: str) -> str:
        """Return the signature over key and digest as base64.

        Raises:
            PipelineError: this machine has no private key.

        """
        # Imported late, here and below: only who shares pays for it.
        from cryptography.hazmat.primitives import hashes  # noqa: PLC0415
        from cryptography.hazmat.primitives.asymmetric.ec import ECDSA  # noqa: PLC0415

        if self.private_key is None:
            raise PipelineError.of("no private key to sign with", expected="--cache-key", do=MAKE_KEY)
        raw = self.private_key.sign(_statement(key, digest), ECDSA(hashes.SHA256()))
        return base64.b64encode(raw).decode()

    def require(self, key: str, digest: str, signature: str) -> None:
        """Check the signature of a digest under a cache key.

        Raises:
            PipelineError: no signature, or one by another key or about another entry.

        """
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415
        from cryptography.hazmat.primitives import hashes  # noqa: PLC0415
        from cryptography.hazmat.primitives.asymmetric.ec import ECDSA  # noqa: PLC0415

        try:
            raw = base64.b64decode(signature, validate=True)
            self.public_key.verify(raw, _statement(key, digest), ECDSA(hashes.SHA256()))
        except (ValueError, InvalidSignature) as error:
            raise PipelineError(
                f"cache entry {key} is poisoned: no signature by the key that is trusted here. "
                f"Delete the tag {key}, and find out who wrote it"
            ) from error


def _statement(key: str, digest: str) -> bytes:
    return f"wheelhouse cache entry\n{key}\n{digest}\n".encode()


def _private_key(pem: str) -> "EllipticCurvePrivateKey":
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None  # the library's message may quote the key
    if not isinstance(key, EllipticCurvePrivateKey) or key.curve.name != P_256:
        raise PipelineError.of(
            "the cache key cannot sign", expected="PEM of a P-256 private key", do=f"Make a pair: {MAKE_KEY}"
        )
    return key


def _public_key(pem: str) -> "EllipticCurvePublicKey":
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_pem_public_key  # noqa: PLC0415

    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, EllipticCurvePublicKey) or key.curve.name != P_256:
        raise PipelineError.of(
            "the cache's public key cannot be read",
            expected="PEM of a P-256 public key",
            do="Write one with `openssl pkey -in cache.pem -pubout -out cache.pub`",
        )
    return key
