"""Tags: a commit in, names of the image out."""

import pytest

from pipeline.errors import PipelineError
from pipeline.tags import Commit, image_tags, references

SHA = "0123456789abcdef0123456789abcdef01234567"


def test_a_tag_names_the_commit_and_the_variant():
    """`sha-` and twelve hex digits, then the variant's suffix."""
    assert image_tags(Commit.parse(SHA), "-gpu") == ("sha-0123456789ab-gpu",)


@pytest.mark.parametrize("text", ["", "main", SHA[:12], SHA.upper(), SHA + "0"])
def test_anything_but_a_full_object_name_is_refused(text):
    """A branch, a short name or upper case is no commit."""
    with pytest.raises(PipelineError, match="expected 40 or 64 hex digits"):
        Commit.parse(text)


@pytest.mark.parametrize("address", ["ghcr.io/me/app", "127.0.0.1:5000/app", "localhost:5000/a/b/c"])
def test_a_reference_is_the_address_and_a_tag(address):
    """A port of the registry is no tag."""
    assert references(address, ("t",)) == (f"{address}:t",)


@pytest.mark.parametrize("address", ["ghcr.io/me/app:v1", "ghcr.io/app@sha256:00", "app", "ghcr.io/", ""])
def test_an_address_with_a_tag_of_its_own_is_refused(address):
    """The pipeline makes the tags; an address that has one, or no repository, is refused."""
    with pytest.raises(PipelineError, match="expected REGISTRY/REPOSITORY"):
        references(address, ("t",))
