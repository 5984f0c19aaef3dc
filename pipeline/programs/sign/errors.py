"""What the signing programs refuse.

SignError
├── SigningKeyError     the key is not a PEM ECDSA P-256 key
└── VerificationError   a bundle is malformed, signed by another key, or about another image
"""


class SignError(Exception):
    """Refuse; the text never holds any part of a key."""


class SigningKeyError(SignError):
    """The key cannot sign or verify here."""


class VerificationError(SignError):
    """The signature proves nothing about this image."""
