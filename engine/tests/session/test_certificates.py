"""Programs in execs trust what this machine trusts, and images keep nothing of it."""

import datetime as dt
import http.server
import os
import shutil
import ssl
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import dagger
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from dagger import dag

from wheelhouse_engine import certificates
from wheelhouse_engine.progress import SilentProgress
from wheelhouse_engine.session import Session

ASK = {
    "python": "python3 -c \"import urllib.request as u; u.urlopen('{url}').read()\"",
    "pip": "python3 -m pip download --no-cache-dir -i {url} -d /tmp/p probe==1",
    "uv": "/uv pip install --no-cache --target /tmp/u --default-index {url} probe==1",
}

UNUSED = (
    *("content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
    *("crl_sign", "encipher_only", "decipher_only"),
)


def signed(
    subject: str, key: ec.EllipticCurvePrivateKey, issuer: str, by: ec.EllipticCurvePrivateKey
) -> bytes:
    """Return a certificate for localhost, of an authority where it signs itself."""
    now = dt.datetime.now(dt.UTC)
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, one)]) for one in (subject, issuer)]
    flags = dict.fromkeys(UNUSED, False) | {"digital_signature": True, "key_cert_sign": key is by}
    usage = x509.KeyUsage(**flags)
    made = (
        x509.CertificateBuilder()
        .subject_name(names[0])
        .issuer_name(names[1])
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=key is by, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by.public_key()), critical=False)
        .add_extension(usage, critical=True)
        .sign(by, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


def written(folder: Path) -> tuple[Path, Path, Path]:
    """Write an authority that nobody knows, and a certificate and key of localhost."""
    authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    (folder / "ca.crt").write_bytes(signed("wheelhouse", authority, "wheelhouse", authority))
    (folder / "host.crt").write_bytes(signed("localhost", key, "wheelhouse", authority))
    encodings = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (folder / "key").write_bytes(key.private_bytes(*encodings, serialization.NoEncryption()))
    return folder / "ca.crt", folder / "host.crt", folder / "key"


@pytest.fixture
def index(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Give an index of one package over HTTPS, and the certificate that only this machine knows."""
    authority, chain, key = written(tmp_path)
    page = tmp_path / "www" / "probe"
    page.mkdir(parents=True)
    wheel = "probe-1-py3-none-any.whl"
    with zipfile.ZipFile(page / wheel, "w") as archive:
        archive.writestr("probe-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: probe\nVersion: 1\n")
        archive.writestr("probe-1.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("probe-1.dist-info/RECORD", "")
    (page / "index.html").write_text(f'<a href="{wheel}">{wheel}</a>')

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=str(page.parent))  # type: ignore[arg-type]

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"https://localhost:{server.server_port}", authority
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.engine
@pytest.mark.skipif(shutil.which("buildah") is None or os.geteuid() != 0, reason="needs buildah and root")
async def test_programs_in_execs_trust_what_the_machine_trusts(index, monkeypatch) -> None:
    """Python, pip and uv reach a server with a private certificate, and the image has none of it."""
    url, chain = index
    uv = Path(sys.executable).with_name("uv")
    environ = {**os.environ, "SSL_CERT_FILE": str(chain), "NO_PROXY": "localhost", "no_proxy": "localhost"}
    silent = SilentProgress(sys.stderr)
    async with Session.open(environ=environ, workdir=uv.parent, progress=silent) as session:
        monkeypatch.setenv("DAGGER_SESSION_PORT", str(session.port))
        monkeypatch.setenv("DAGGER_SESSION_TOKEN", session.token)
        async with dagger.connection():
            base = dag.container().from_("python:3.13-slim").with_env_variable("URL", url)
            base = base.with_mounted_file("/uv", dag.host().file(str(uv)))
            for line in ASK.values():
                base = base.with_exec(["sh", "-c", line.format(url=url)])
            kept = await base.with_exec(["sh", "-c", "ls -A /dev; env"]).rootfs().glob("dev/.ca*")
            bundle = await base.file("/etc/ssl/certs/ca-certificates.crt").contents()
            variables = await base.env_variables()
            names = [await one.name() for one in variables]

    assert kept == []
    assert chain.read_text().splitlines()[1] not in bundle
    assert not set(names) & set(certificates.CA_VARIABLES)


@pytest.mark.parametrize("bundle", certificates.CA_BUNDLES)
def test_certificates_of_any_distribution_are_found(tmp_path, monkeypatch, bundle) -> None:
    """What an administrator added is trusted in execs, wherever the distribution keeps the whole of it."""
    added, whole = tmp_path / "anchors", tmp_path / bundle.lstrip("/")
    added.mkdir()
    whole.parent.mkdir(parents=True)
    whole.touch()
    monkeypatch.setattr(certificates, "CA_FOLDERS", (str(tmp_path / "none"), str(added)))
    monkeypatch.setattr(
        certificates, "CA_BUNDLES", tuple(f"{tmp_path}{one}" for one in certificates.CA_BUNDLES)
    )

    assert certificates.own_certificates({}) == ""
    (added / "company.crt").touch()
    assert certificates.own_certificates({}) == str(whole)
    assert certificates.own_certificates({"SSL_CERT_FILE": str(tmp_path / "gone")}) == str(whole)
