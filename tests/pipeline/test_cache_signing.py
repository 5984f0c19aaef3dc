"""Who vouches for a shared entry: the owner of the key, for this digest under this key, and nobody else."""

import base64
import subprocess
from pathlib import Path

import pytest

from pipeline.build.cache_signing import CacheSigning
from pipeline.errors import PipelineError

KEY = f"wheels-{'0' * 64}"
DIGEST = f"sha256:{'1' * 64}"


def private_pem(folder: Path, *options: str) -> str:
    """Make a private key as the documentation says."""
    options = options or ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
    path = folder / "key.pem"
    subprocess.run(["openssl", "genpkey", *options, "-out", str(path)], check=True, capture_output=True)
    return path.read_text()


def public_pem(folder: Path) -> str:
    """Write the public half of the folder's key as the documentation says."""
    show = ["openssl", "pkey", "-in", str(folder / "key.pem"), "-pubout"]
    return subprocess.run(show, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def ours(tmp_path: Path) -> CacheSigning:
    """Give a machine that writes."""
    return CacheSigning.by(private_pem=private_pem(tmp_path))


def test_a_reader_accepts_what_the_owner_signed(ours: CacheSigning, tmp_path: Path) -> None:
    """The public half that openssl writes is all that a reader needs."""
    reader = CacheSigning.by(public_pem=public_pem(tmp_path))
    reader.require(KEY, DIGEST, ours.signature(KEY, DIGEST))
    with pytest.raises(PipelineError, match="no private key to sign with"):
        reader.signature(KEY, DIGEST)


def test_openssl_accepts_the_signature(ours: CacheSigning, tmp_path: Path) -> None:
    """The signature is plain ECDSA over SHA-256 of three lines: nothing of ours is needed to check it."""
    (tmp_path / "pub").write_text(public_pem(tmp_path))
    (tmp_path / "signature").write_bytes(base64.b64decode(ours.signature(KEY, DIGEST)))
    verify = ["openssl", "dgst", "-sha256", "-verify", "pub", "-signature", "signature"]
    said = f"wheelhouse cache entry\n{KEY}\n{DIGEST}\n".encode()
    done = subprocess.run(verify, cwd=tmp_path, input=said, capture_output=True, check=False)
    assert done.stdout == b"Verified OK\n"


def test_another_keys_signature_is_none(ours: CacheSigning, tmp_path: Path) -> None:
    """Who may write to the registry is not who is trusted."""
    theirs = CacheSigning.by(private_pem=private_pem(tmp_path))
    with pytest.raises(PipelineError, match="poisoned: no signature by the key that is trusted here"):
        ours.require(KEY, DIGEST, theirs.signature(KEY, DIGEST))


@pytest.mark.parametrize("signature", ["", "no base64!", "bm8gc2lnbmF0dXJl", "é"])
def test_what_is_no_signature_is_none(ours: CacheSigning, signature: str) -> None:
    """An absent or malformed signature vouches for nothing."""
    with pytest.raises(PipelineError, match="poisoned"):
        ours.require(KEY, DIGEST, signature)


@pytest.mark.parametrize(("key", "digest"), [("wheels-old", DIGEST), (KEY, f"sha256:{'2' * 64}")])
def test_a_signature_is_about_one_entry(ours: CacheSigning, key: str, digest: str) -> None:
    """A good entry moved under another tag, say an old one with a known hole, and other bytes are refused."""
    with pytest.raises(PipelineError, match="poisoned"):
        ours.require(KEY, DIGEST, ours.signature(key, digest))


@pytest.mark.parametrize(
    "options", [("-algorithm", "RSA"), ("-algorithm", "ED25519")], ids=["rsa", "ed25519"]
)
def test_other_kinds_of_keys_are_refused(tmp_path: Path, options: tuple[str, ...]) -> None:
    """One kind is written and read: both halves of another are refused at once."""
    private = private_pem(tmp_path, *options)
    with pytest.raises(PipelineError, match="cannot sign; expected PEM of a P-256 private key"):
        CacheSigning.by(private_pem=private)
    with pytest.raises(PipelineError, match="cannot be read; expected PEM of a P-256 public key"):
        CacheSigning.by(public_pem=public_pem(tmp_path))


def test_a_wrong_private_key_is_not_shown() -> None:
    """What is no key stops the build; its text is in no message."""
    with pytest.raises(PipelineError, match="the cache key cannot sign") as caught:
        CacheSigning.by(private_pem="canary")
    assert "canary" not in f"{caught.value} {caught.value.__cause__} {caught.value.__context__}"


def test_a_private_key_is_in_no_text(ours: CacheSigning) -> None:
    """Whoever prints it in an error or a log prints no key."""
    assert "private_key" not in repr(ours)


def test_no_key_at_all_is_refused() -> None:
    """Nobody would vouch for what is taken: the message says how to make a key."""
    with pytest.raises(PipelineError, match=r"--cache needs a key.*openssl genpkey"):
        CacheSigning.by()


def test_two_keys_that_are_not_a_pair_are_refused(tmp_path: Path) -> None:
    """The public key of a template belongs to nobody: no reader would take what is written."""
    private_pem(tmp_path)
    placeholder = public_pem(tmp_path)

    with pytest.raises(PipelineError, match="not a pair; expected the public half"):
        CacheSigning.by(private_pem=private_pem(tmp_path), public_pem=placeholder)


def test_a_key_and_its_public_half_are_a_pair(tmp_path: Path) -> None:
    """A job that writes may name the file that the others read with."""
    private = private_pem(tmp_path)

    assert CacheSigning.by(private_pem=private, public_pem=public_pem(tmp_path)).private_key
