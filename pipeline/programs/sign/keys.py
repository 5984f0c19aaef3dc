"""Read ECDSA P-256 keys from PEM."""

import base64
from hashlib import sha256

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sign.errors import SigningKeyError

DO = "Make one with `openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt`."


def private_key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    """Return the signing key.

    Raises:
        SigningKeyError: no PEM, encrypted, or not on the curve P-256.

    """
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        # The library's text is left out: it may quote the input.
        raise SigningKeyError(
            f"the signing key cannot be read ({type(error).__name__}); expected an unencrypted PEM private "
            f"key, ECDSA P-256. {DO}"
        ) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise SigningKeyError(f"the signing key is of another kind; expected ECDSA P-256. {DO}")
    return key


def public_key(pem: bytes) -> ec.EllipticCurvePublicKey:
    """Return the key to verify with.

    Raises:
        SigningKeyError: no PEM public key on the curve P-256.

    """
    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        raise SigningKeyError(
            "the public key cannot be read; expected a PEM public key, ECDSA P-256. "
            "Derive it with `openssl pkey -pubout` from the private key."
        ) from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise SigningKeyError("the public key is of another kind; expected ECDSA P-256.")
    return key


def hint(key: ec.EllipticCurvePublicKey) -> str:
    """Return what tells a verifier which key was used: base64 of the sha256 of its DER form."""
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(sha256(der).digest()).decode()
