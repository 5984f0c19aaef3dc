"""Which note a base image has in a cache, and what its signature is about."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from pipeline.build import base_cache as bases
from pipeline.build.base_cache import Note
from pipeline.containers import Builder
from pipeline.registry import is_absent

UNPINNED = Builder(image="python:3.13-slim", platform="linux/amd64")
PINNED = replace(UNPINNED, image=f"python:3.13-slim@sha256:{'0' * 64}")


async def key_on(monkeypatch: pytest.MonkeyPatch, day: int, builder: Builder) -> str:
    """Return the key that a machine asks for on a day of November."""

    class Clock:
        @staticmethod
        def now(zone: object) -> datetime:
            assert zone is UTC
            return datetime(2026, 11, day, 23, 59, tzinfo=UTC)

    monkeypatch.setattr(bases, "datetime", Clock)
    return await bases.note_key(builder)


async def test_an_unpinned_base_is_looked_up_once_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """Machines of one day ask for one note, those of the next for another."""
    first = await key_on(monkeypatch, 21, UNPINNED)
    assert first == await key_on(monkeypatch, 21, UNPINNED)
    assert first != await key_on(monkeypatch, 22, UNPINNED)


async def test_a_pinned_base_is_kept_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reference with a digest never means another image, so that its note has no day."""
    assert await key_on(monkeypatch, 21, PINNED) == await key_on(monkeypatch, 22, PINNED)


async def test_each_platform_has_its_base(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine never takes the base of another platform."""
    other = replace(PINNED, platform="linux/arm64")
    assert await key_on(monkeypatch, 21, PINNED) != await key_on(monkeypatch, 21, other)


@pytest.mark.parametrize("changed", [{"reference": "python:3.13-slim@sha256:b"}, {"digest": "sha256:b"}])
def test_the_signature_is_about_all_that_a_note_says(changed: dict[str, str]) -> None:
    """Neither another image nor another name can stand in a signed note; the signature itself is left out."""
    note = Note(reference="python:3.13-slim@sha256:a", digest="sha256:a")
    assert note.model_copy(update=changed).signed_digest() != note.signed_digest()
    assert note.model_copy(update={"signature": "x"}).signed_digest() == note.signed_digest()


@pytest.mark.parametrize(
    ("said", "absent"),
    [
        ("127.0.0.1:5000/cache:base-0: not found", True),
        ("reading manifest base-0 in localhost/cache: manifest unknown", True),
        ("failed to resolve image: ghcr.io/me/cache:base-0: not found", True),
        ("unexpected status from HEAD request to https://ghcr.io/v2/me/cache: 401 Unauthorized", False),
        ("pull access denied, repository does not exist or may require authorization", False),
        ("registry credentials not found", False),
        ("dial tcp: lookup registry.example: no such host", False),
        ("unexpected status: 503 Service Unavailable", False),
    ],
)
def test_only_an_answer_of_the_registry_says_that_an_image_is_absent(said: str, *, absent: bool) -> None:
    """A refusal, a failure and a registry that is not reached are errors, not answers."""
    assert is_absent(said) is absent
