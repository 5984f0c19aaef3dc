"""Spec of which base images can be had without a registry."""

import pytest

from wheelhouse_engine.imageconfig import ImageError
from wheelhouse_engine.references import Reference
from wheelhouse_engine.standins import StandIn, offered, stand_in_for


@pytest.mark.parametrize(
    ("address", "stand_in"),
    [
        ("python:3.13-slim", StandIn("trixie", slim=True, python="3.13")),
        ("python:3.13-slim-trixie", StandIn("trixie", slim=True, python="3.13")),
        ("python:3.13", StandIn("trixie", slim=False, python="3.13")),
        ("python:3.11-bookworm", StandIn("bookworm", slim=False, python="3.11")),
        ("docker.io/library/python:3.11-slim", StandIn("bookworm", slim=True, python="3.11")),
        ("python:3.13.5-slim", StandIn("trixie", slim=True, python="3.13", patch="3.13.5")),
        ("debian:trixie-slim", StandIn("trixie", slim=True)),
        ("debian:bookworm", StandIn("bookworm", slim=False)),
        ("debian:12-slim", StandIn("bookworm", slim=True)),
    ],
)
def test_debian_can_stand_in(address, stand_in):
    """Version, codename and slim of an official address choose release and packages."""
    assert stand_in_for(Reference.parse(address)) == stand_in


@pytest.mark.parametrize(
    "address",
    [
        "python:3.12-slim",
        "python:3.13-slim-bookworm",
        "python:3.13-alpine",
        "python",
        "python:3",
        "debian:sid",
        "alpine:3",
        "ghcr.io/library/python:3.13-slim",
        "docker.io/someone/python:3.13-slim",
    ],
)
def test_what_cannot_be_had_lists_what_can(address):
    """An image that Debian does not have is never replaced by a similar one."""
    with pytest.raises(ImageError) as caught:
        stand_in_for(Reference.parse(address))

    assert all(one in str(caught.value) for one in [str(Reference.parse(address)), *offered()])


def test_a_digest_has_no_stand_in():
    """A pinned digest names exact bytes."""
    with pytest.raises(ImageError, match="pinned to a digest: only a registry has exactly these bytes"):
        stand_in_for(Reference.parse(f"python:3.13-slim@sha256:{'a' * 64}"))


def test_compilers_and_headers_are_in_the_full_image_only():
    """The slim image has pip and venv, the full one also headers and compilers."""
    slim = StandIn("trixie", slim=True, python="3.13").packages
    full = StandIn("trixie", slim=False, python="3.13").packages

    assert {"python3", "python3-venv", "python3-pip", "ca-certificates"} <= set(slim)
    assert set(full) - set(slim) >= {"python3-dev", "build-essential"}


def test_one_content_has_one_name():
    """Addresses that mean the same image share one stand-in."""
    short, long = (stand_in_for(Reference.parse(f"python:3.13{tag}")) for tag in ("-slim", "-slim-trixie"))

    assert short.name == long.name != stand_in_for(Reference.parse("python:3.13")).name


def test_a_digest_names_what_to_do():
    """Who pins a digest is told both ways out: a registry, or the same tag without it."""
    with pytest.raises(ImageError, match=r"WHEELHOUSE_REGISTRY_MIRROR.*\(python:3.13-slim\)"):
        stand_in_for(Reference.parse(f"python:3.13-slim@sha256:{'0' * 64}"))


@pytest.mark.parametrize(("tag", "release"), [("stable", "trixie"), ("oldstable-slim", "bookworm-slim")])
def test_a_moving_release_is_named(tag, release):
    """`stable` means what a registry says; the message names the release to write instead."""
    with pytest.raises(ImageError, match=f"Name the release: debian:{release}$"):
        stand_in_for(Reference.parse(f"debian:{tag}"))
