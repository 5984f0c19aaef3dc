"""Which files hold a private key, judged by their contents: certificates often have the same names."""

import re
from pathlib import Path

LOOKED_AT = 1 << 20
"""Bytes at the start of a file that are searched."""
PEM = re.compile(
    rb"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----"
    rb"(?:\\n|\s|[A-Za-z-]+: [^\n]*\n)+[A-Za-z0-9+/=]{32}"
)
"""A key with its first characters; code that only looks for the header has none after it."""
PUTTY = re.compile(rb"^PuTTY-User-Key-File-\d: ")
DER = re.compile(
    rb"^\x30(?:\x82..|\x81.|.)"
    rb"(?:\x02\x01\x00\x30.\x06"  # PKCS #8: version 0, algorithm
    rb"|\x02\x01\x00\x02[\x81\x82]"  # PKCS #1: version 0, modulus
    rb"|\x02\x01\x01\x04[\x14-\x50]"  # SEC 1: version 1, the key
    rb"|\x02\x01\x03\x30(?:\x82..|\x81.|.|\x80)\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07)",  # PKCS #12
    re.DOTALL,
)


def holds_private_key(path: Path) -> bool:
    """Return whether a file is, or has in it, a private key."""
    with path.open("rb") as stream:
        data = stream.read(LOOKED_AT)
    return bool(PEM.search(data) or PUTTY.match(data) or DER.match(data))
