"""Stage 8a of 8: the state of the git tree in, image tags out. Pure: no SDK, no clock, no process."""

import re
from dataclasses import dataclass
from typing import Final, Self

from pipeline.errors import PipelineError

SHA_LENGTH: Final = 12
"""Hex digits of a commit in a tag. Source: DESIGN §5.9; 48 bits do not collide within one repository."""


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit by its full object name."""

    sha: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the commit named by 40 (SHA-1) or 64 (SHA-256) hex digits.

        Raises:
            PipelineError: anything else, such as a branch name or a short name.

        """
        if not re.fullmatch(r"[0-9a-f]{40}([0-9a-f]{24})?", text):
            raise PipelineError.of(
                f"commit {text!r}",
                expected="40 or 64 hex digits",
                do="Pass the output of `git rev-parse HEAD`.",
            )
        return cls(text)


def image_tags(commit: Commit, suffix: str) -> tuple[str, ...]:
    """Return the tags of an image built from a commit: `sha-<12 hex digits><suffix>`."""
    return (f"sha-{commit.sha[:SHA_LENGTH]}{suffix}",)


def references(address: str, tags: tuple[str, ...]) -> tuple[str, ...]:
    """Return one full reference per tag for a repository address.

    Raises:
        PipelineError: the address carries a tag or digest of its own, or no repository.

    """
    name = address.rpartition("/")[2]
    if "@" in address or ":" in name or "/" not in address or not name:
        raise PipelineError.of(
            f"address {address!r}",
            expected="REGISTRY/REPOSITORY without tag or digest, e.g. ghcr.io/me/app",
            do="Leave the tag to the pipeline: it is made from the git commit.",
        )
    return tuple(f"{address}:{tag}" for tag in tags)
