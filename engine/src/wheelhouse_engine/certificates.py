"""Find the certificates that this machine trusts and images do not; programs in execs trust them, too."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

CA_TARGET: Final = "/dev/.ca-certificates.crt"
CA_BUNDLES: Final = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
)
"""All that the machine trusts, in one file: Debian and Alpine, Fedora, openSUSE."""
CA_FOLDERS: Final = (
    "/usr/local/share/ca-certificates",
    "/etc/pki/ca-trust/source/anchors",
    "/etc/pki/trust/anchors",
)
"""Where an administrator adds certificates. Source: update-ca-certificates(8), update-ca-trust(8)."""
CA_VARIABLES: Final = (
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "PIP_CERT",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "AWS_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
)
"""OpenSSL, httpx and uv; requests; pip; curl; git; boto; Node.js."""


def own_certificates(environ: Mapping[str, str]) -> str:
    """Return the file of all that this machine trusts if images do not trust it, too; "" otherwise."""
    given = environ.get("SSL_CERT_FILE", "")
    if given and Path(given).is_file():
        return given
    added = any(one.is_dir() and any(one.iterdir()) for one in map(Path, CA_FOLDERS))
    return next((one for one in CA_BUNDLES if Path(one).is_file()), "") if added else ""
