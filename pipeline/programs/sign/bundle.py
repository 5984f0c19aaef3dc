"""DSSE envelopes in sigstore bundles v0.3: write them, and check them against a key and a digest."""

import base64
import binascii
import json
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from sign.errors import VerificationError
from sign.keys import hint

MEDIA_TYPE: Final = "application/vnd.dev.sigstore.bundle.v0.3+json"
PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
STATEMENT: Final = "https://in-toto.io/Statement/v1"
ALGORITHM: Final = ec.ECDSA(hashes.SHA256())


def pre_authentication(payload: bytes) -> bytes:
    """Return the bytes that are signed: DSSE's encoding of payload type and payload."""
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def signed_bundle(statement: bytes, key: ec.EllipticCurvePrivateKey) -> str:
    """Return the bundle of an in-toto statement, signed with the key and without a log entry."""
    signature = key.sign(pre_authentication(statement), ALGORITHM)
    bundle = {
        "mediaType": MEDIA_TYPE,
        "verificationMaterial": {"publicKey": {"hint": hint(key.public_key())}},
        "dsseEnvelope": {
            "payload": base64.b64encode(statement).decode(),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"sig": base64.b64encode(signature).decode()}],
        },
    }
    return json.dumps(bundle, sort_keys=True, separators=(",", ":"))


def verified_statement(bundle: str | bytes, key: ec.EllipticCurvePublicKey, digest: str) -> dict[str, Any]:
    """Return the statement of a bundle that the key signed about an image.

    Args:
        bundle: the bundle's JSON.
        key: whose signature is accepted.
        digest: `sha256:<hex>` of the image's manifest; one subject must have it.

    Raises:
        VerificationError: malformed, another key, or another image.

    """
    payload, signatures = _envelope(bundle)
    if not any(_is_valid(signature, payload, key) for signature in signatures):
        raise VerificationError(
            "no signature of the bundle is by this key; expected one. Is it the right key?"
        )
    statement = _object(payload, "the statement")
    if statement.get("_type") != STATEMENT:
        raise VerificationError(f"the payload is {statement.get('_type')!r}; expected {STATEMENT}.")
    subjects = [one.get("digest", {}).get("sha256") for one in statement.get("subject", [])]
    if digest.removeprefix("sha256:") not in subjects:
        raise VerificationError(
            f"the statement is about {subjects}; expected {digest}. It is of another image."
        )
    return statement


def _envelope(text: str | bytes) -> tuple[bytes, list[bytes]]:
    """Return payload and signatures of a bundle, after its form was checked."""
    bundle = _object(text, "the bundle")
    if bundle.get("mediaType") != MEDIA_TYPE:
        raise VerificationError(f"the bundle is {bundle.get('mediaType')!r}; expected {MEDIA_TYPE}.")
    if "publicKey" not in bundle.get("verificationMaterial", {}):
        raise VerificationError(
            "the bundle was signed without a key of yours (keyless); expected a key. "
            "Verify it with cosign or gh."
        )
    try:
        envelope = bundle["dsseEnvelope"]
        kind = envelope["payloadType"]
        payload = base64.b64decode(envelope["payload"], validate=True)
        signatures = [base64.b64decode(one["sig"], validate=True) for one in envelope["signatures"]]
    except (KeyError, TypeError, binascii.Error) as error:
        raise VerificationError(
            f"the bundle has no complete DSSE envelope ({error!r}); expected one."
        ) from error
    if kind != PAYLOAD_TYPE:
        raise VerificationError(f"the envelope holds {kind!r}; expected {PAYLOAD_TYPE}.")
    return payload, signatures


def _object(text: str | bytes, what: str) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except ValueError as error:
        raise VerificationError(f"{what} is not JSON: {error}; expected an object.") from error
    if not isinstance(content, dict):
        raise VerificationError(f"{what} is not a JSON object; expected one.")
    return content


def _is_valid(signature: bytes, payload: bytes, key: ec.EllipticCurvePublicKey) -> bool:
    try:
        key.verify(signature, pre_authentication(payload), ALGORITHM)
    except InvalidSignature:
        return False
    return True
