"""Signatures: they hold for their key and their image, and for nothing else."""

import base64
import json
import subprocess

import pytest

from tests.programs.sign.conftest import DIGEST, STATEMENT

pytestmark = pytest.mark.integration


def test_a_signed_statement_holds_for_its_key_and_image(signer):
    """What was signed verifies with the public key and the image's digest."""
    key = signer.key("ours")
    signer.sign(key)

    done = signer.verify(key.with_suffix(".pub"))
    assert (done.returncode, done.stdout) == (0, f"{DIGEST} https://slsa.dev/provenance/v1 verified\n")


def test_openssl_accepts_the_signature(signer):
    """The signature is plain ECDSA over DSSE's encoding: openssl, which knows no DSSE, verifies it."""
    key = signer.key("ours")
    signer.sign(key)
    envelope = json.loads(signer.bundle.read_text())["dsseEnvelope"]
    payload = base64.b64decode(envelope["payload"])
    kind = envelope["payloadType"].encode()
    (signer.folder / "signed").write_bytes(b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload))
    (signer.folder / "signature").write_bytes(base64.b64decode(envelope["signatures"][0]["sig"]))
    check = ["openssl", "dgst", "-sha256", "-verify", "ours.pub", "-signature", "signature", "signed"]

    assert subprocess.run(check, cwd=signer.folder, check=False, capture_output=True).returncode == 0


def test_another_key_is_refused(signer):
    """A signature by another key proves nothing."""
    signer.sign(signer.key("ours"))

    done = signer.verify(signer.key("theirs").with_suffix(".pub"))
    assert (done.returncode, "no signature of the bundle is by this key" in done.stderr) == (1, True)


def test_another_image_is_refused(signer):
    """A true signature about another digest proves nothing about this image."""
    key = signer.key("ours")
    signer.sign(key)

    done = signer.verify(key.with_suffix(".pub"), "sha256:" + "cd" * 32)
    assert (done.returncode, "of another image" in done.stderr) == (1, True)


def _other_payload(bundle):
    other = STATEMENT | {"predicate": {"forged": True}}
    bundle["dsseEnvelope"]["payload"] = base64.b64encode(json.dumps(other).encode()).decode()


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (_other_payload, "no signature"),
        (lambda bundle: bundle["dsseEnvelope"].update(signatures=[]), "no signature"),
        (lambda bundle: bundle["dsseEnvelope"].pop("payload"), "no complete DSSE envelope"),
        (
            lambda bundle: bundle["dsseEnvelope"].update(payloadType="text/plain"),
            "expected application/vnd.in-toto",
        ),
        (lambda bundle: bundle.update(mediaType="application/json"), "expected application/vnd.dev.sigstore"),
        (lambda bundle: bundle.update(verificationMaterial={"certificate": {}}), "keyless"),
    ],
)
def test_a_bundle_that_was_changed_is_refused(signer, damage, reason):
    """A forged payload, a missing signature or another form is refused by name."""
    key = signer.key("ours")
    signer.sign(key)
    bundle = json.loads(signer.bundle.read_text())
    damage(bundle)
    signer.bundle.write_text(json.dumps(bundle))

    done = signer.verify(key.with_suffix(".pub"))
    assert (done.returncode, reason in done.stderr) == (1, True)


@pytest.mark.parametrize(
    "content", [b"", b"junk", b"-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"]
)
def test_a_key_that_cannot_be_read_is_refused_without_showing_it(signer, content):
    """The refusal says what is expected and holds no part of the key."""
    key = signer.folder / "bad.pem"
    key.write_bytes(content)
    done = signer.sign(key)

    assert (done.returncode, "expected an unencrypted PEM private key, ECDSA P-256" in done.stderr) == (
        2,
        True,
    )
    assert "c2VjcmV0" not in done.stderr + done.stdout


def test_a_key_of_another_curve_is_refused(signer):
    """Only ECDSA P-256 signs: other curves would not verify with the usual tools."""
    done = signer.sign(signer.key("other", "secp384r1"))

    assert (done.returncode, "of another kind" in done.stderr) == (2, True)


def test_the_bundle_is_laid_out_as_a_referrer_that_cosign_finds(signer):
    """referrers.json names the bundle's artifact type and cosign's annotations."""
    signer.sign(signer.key("ours"))
    [entry] = json.loads((signer.folder / "out" / "referrers.json").read_text())

    assert entry["artifact_type"] == "application/vnd.dev.sigstore.bundle.v0.3+json"
    assert entry["annotations"]["dev.sigstore.bundle.predicateType"] == STATEMENT["predicateType"]


@pytest.mark.parametrize(
    ("kind", "predicate", "said"),
    [
        (
            "https://in-toto.io/attestation/test-result/v0.1",
            {"result": "PASSED", "suite": "secrets"},
            "secrets PASSED",
        ),
        ("https://openvex.dev/ns/v0.2.0", {"statements": [{}, {}]}, "2 findings accepted"),
    ],
)
def test_each_statement_is_listed_with_its_result(signer, kind, predicate, said):
    """Whoever verifies reads what was tested and accepted, without opening the bundles."""
    key = signer.key("ours")
    signer.sign(key, STATEMENT | {"predicateType": kind, "predicate": predicate})

    assert signer.verify(key.with_suffix(".pub")).stdout == f"{DIGEST} {kind} verified: {said}\n"
