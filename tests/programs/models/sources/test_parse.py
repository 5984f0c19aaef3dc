"""Source addresses: each kind pins what it names, or is refused with the form to use."""

import pytest
from models.errors import ModelError
from models.sources.parse import parse_source

COMMIT = "0" * 40
DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("uri", "revision"),
    [
        (f"hf://owner/name@{COMMIT}", COMMIT),
        ("wheel://some-model==0.1.0/pkg/model", "some-model==0.1.0"),
        (f"oci://registry.example:5000/a/b@{DIGEST}", DIGEST),
        ("https://example.org/model", ""),
        ("dir://weights/minilm", ""),
    ],
)
def test_pinned_sources_are_read(uri: str, revision: str) -> None:
    """Every kind of source is recognised and tells the revision it pins."""
    source = parse_source(uri)

    assert (source.uri, source.revision) == (uri, revision)


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("hf://owner/name@main", "'main', which can move"),
        ("hf://owner/name@v1.0", "'v1.0', which can move"),
        ("hf://owner/name@" + "0" * 39, "which can move"),
        ("hf://owner/name", "no revision"),
        ("hf://name", "owner/name"),
        ("wheel://name>=1/path", "name==version"),
        ("wheel://name/path", "name==version"),
        ("oci://registry/repo:latest", "a tag can move"),
        ("http://example.org/model", "https://"),
        ("https://user:pass@example.org/model", "credentials"),
        ("dir://../outside", "inside the service"),
        ("dir:///etc", ""),
        ("ftp://example.org/x", "unknown source"),
        ("model.safetensors", "unknown source"),
    ],
)
def test_moving_and_unknown_sources_are_refused(uri: str, message: str) -> None:
    """A branch, a tag, a range, plain http and anything unknown stop with what is expected."""
    if message:
        with pytest.raises(ModelError, match=message):
            parse_source(uri)
    else:
        assert parse_source(uri).revision == ""


def test_refused_address_does_not_show_its_password() -> None:
    """Credentials in an address do not reach the message."""
    with pytest.raises(ModelError) as refused:
        parse_source("https://user:canary@example.org/model")

    assert "canary" not in str(refused.value)
