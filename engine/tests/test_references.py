"""Spec of image addresses."""

import pytest

from wheelhouse_engine.imageconfig import ImageError
from wheelhouse_engine.references import Reference

HEX = "a" * 64


@pytest.mark.parametrize(
    ("address", "canonical"),
    [
        ("python", "docker.io/library/python:latest"),
        ("python:3.13-slim", "docker.io/library/python:3.13-slim"),
        ("docker.io/python:3", "docker.io/library/python:3"),
        ("index.docker.io/a/b", "docker.io/a/b:latest"),
        ("no/such-image:x", "docker.io/no/such-image:x"),
        ("localhost/x", "localhost/x:latest"),
        ("127.0.0.1:5000/a/b:v1", "127.0.0.1:5000/a/b:v1"),
        ("ghcr.io/a/b__c/d-e.f", "ghcr.io/a/b__c/d-e.f:latest"),
        (f"python@sha256:{HEX}", f"docker.io/library/python@sha256:{HEX}"),
        (f"r.example/a:t@sha256:{HEX}", f"r.example/a:t@sha256:{HEX}"),
    ],
)
def test_an_address_becomes_canonical(address, canonical):
    """Registry, `library/` and tag are added where they are left out."""
    assert str(Reference.parse(address)) == canonical


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("UPPER CASE!", "invalid reference format: repository name (library/UPPER CASE!) must be lowercase"),
        ("ghcr.io/Me/x", "invalid reference format: repository name (Me/x) must be lowercase"),
        ("", "invalid reference format"),
        ("a//b", "invalid reference format"),
        ("a:", "invalid reference format"),
        ("a:b c", "invalid reference format"),
        ("a@sha256:xyz", "invalid reference format"),
        ("a@", "invalid reference format"),
        ("../etc/passwd", "invalid reference format"),
        ("--flag", "invalid reference format"),
        ("a:" + "t" * 129, "invalid reference format"),
        ("a" * 256, "repository name must not be more than 255 characters"),
        (HEX, f"invalid repository name ({HEX}), cannot specify 64-byte hexadecimal strings"),
    ],
)
def test_a_malformed_address_is_refused_in_the_words_of_the_reference_engine(address, reason):
    """The error repeats the address and says what is wrong."""
    with pytest.raises(ImageError) as caught:
        Reference.parse(address)

    assert str(caught.value) == f"failed to parse image address {address}: {reason}"


@pytest.mark.parametrize(
    ("address", "loopback"),
    [
        ("localhost:5000/a", True),
        ("127.9.9.9:1/a", True),
        ("[::1]:5000/a", True),
        ("localhost.example.com/a", False),
        ("127.evil.example/a", False),
        ("ghcr.io/a/b", False),
    ],
)
def test_plain_http_is_for_this_machine_only(address, loopback):
    """Only loopback names count as this machine."""
    assert Reference.parse(address).loopback is loopback
