"""Stage 8a of 8: the state of the git tree in, image tags out. Pure: no SDK, no clock, no process."""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Self

from pipeline.commits import GitState
from pipeline.errors import PipelineError

SHA_LENGTH: Final = 12
"""Hex digits of a commit in a tag. Source: DESIGN §5.9; 48 bits do not collide within one repository."""
LONGEST: Final = 128
"""Characters of a tag. Source: OCI distribution specification, "Pulling manifests"."""
TAG: Final = re.compile(rf"[A-Za-z0-9_][A-Za-z0-9._-]{{0,{LONGEST - 1}}}")
_NUMBER: Final = r"(0|[1-9][0-9]*)"
_VERSION: Final = re.compile(
    rf"v?{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-([0-9A-Za-z.-]+))?(?:\+([0-9A-Za-z.-]+))?"
)
"""Source: semver.org 2.0.0; a git tag starts with "v"."""
_IMMUTABLE: Final = re.compile(rf"sha-[0-9a-f]{{7,64}}|{_VERSION.pattern.replace('+(?:', '[+_](?:')}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TagOptions:
    """What the user asks for beyond the tags that every publish gives."""

    extra: tuple[str, ...] = ()
    branch: bool = False
    latest: bool = False
    allow_dirty: bool = False


@dataclass(frozen=True, slots=True)
class ImageTags:
    """Tags of one image."""

    immutable: tuple[str, ...]
    """Name one image for ever: `sha-…` and whole versions."""
    moving: tuple[str, ...]
    """Name the newest image of a line: `latest`, `1.2`, a branch."""

    def with_suffixes(self, suffixes: Sequence[str]) -> Self:
        """Return every tag once with each suffix.

        Raises:
            PipelineError: a tag is longer than 128 characters with its suffix.

        """
        return type(self)(_suffixed(self.immutable, suffixes), _suffixed(self.moving, suffixes))


@dataclass(frozen=True, slots=True)
class Version:
    """A version by semver; `build` and `pre` are "" when absent."""

    numbers: tuple[int, int, int]
    pre: str
    build: str

    @classmethod
    def parse(cls, tag: str) -> Self | None:
        """Return the version of a git tag `vX.Y.Z…`, or None for any other tag."""
        found = _VERSION.fullmatch(tag) if tag.startswith("v") else None
        if found is None:
            return None
        major, minor, patch, pre, build = found.groups()
        return cls((int(major), int(minor), int(patch)), pre or "", build or "")

    @property
    def final(self) -> bool:
        """Whether it is a release: neither a pre-release nor a special build."""
        return not (self.pre or self.build)

    def __str__(self) -> str:
        pre = f"-{self.pre}" if self.pre else ""
        # A tag cannot hold "+".
        build = f"_{self.build}" if self.build else ""
        return ".".join(map(str, self.numbers)) + pre + build


def image_tags(state: GitState, wishes: TagOptions, suffixes: Sequence[str] = ("",)) -> ImageTags:
    """Return the tags of an image, each with every suffix of its variant.

    - `sha-<12 hex digits>` always; `-dirty` behind it, and moving, when the tree is dirty;
    - `vX.Y.Z` and `X.Y.Z` for each such git tag at HEAD; for a release also `X.Y` and `X` where no
      newer release of that line is known (never `0`: semver promises nothing there);
    - the branch, `latest` and further tags on request. Further tags that read like `sha-…` or a
      version are immutable.

    Raises:
        PipelineError: the tree is dirty and that is not allowed, there is neither a commit nor a
            further tag, a branch is asked for on a detached HEAD, or a tag is malformed.

    """
    _require_clean(state, wishes)
    for tag in wishes.extra:
        _require_tag(tag)
    immutable = [tag for tag in wishes.extra if _IMMUTABLE.fullmatch(tag)]
    moving = [tag for tag in wishes.extra if tag not in immutable]
    if state.commit:
        name = f"sha-{state.commit.sha[:SHA_LENGTH]}"
        (moving if state.dirty else immutable).insert(0, f"{name}-dirty" if state.dirty else name)
    elif not wishes.extra:
        raise PipelineError.of(
            "no git commit", expected="a repository with a commit", do="Commit, or pass --tags."
        )
    if not state.dirty:
        for version in _versions(state.tags):
            immutable += [f"v{version}", str(version)]
            moving += _lines(version, _versions(state.known))
    if wishes.branch:
        moving.append(branch_tag(state.branch))
    if wishes.latest:
        moving.append("latest")
    return ImageTags(_once(immutable), _once(moving)).with_suffixes(suffixes)


def branch_tag(branch: str) -> str:
    """Return the tag of a branch: what no tag may hold becomes "-".

    A name that is changed beyond that, or that reads like an immutable tag, is kept apart: it gets
    "branch-" in front, or a hash of the whole name behind.

    Raises:
        PipelineError: there is no branch, as on a detached HEAD.

    """
    if not branch:
        raise PipelineError.of(
            "HEAD is detached",
            expected="a branch to name the image after",
            do="Check a branch out, or pass --tags.",
        )
    slug = re.sub(r"[^A-Za-z0-9._-]+", "-", branch).strip("-.")
    if not slug:
        return f"branch-{_short_hash(branch)}"
    if _IMMUTABLE.fullmatch(slug) or re.fullmatch(r"[0-9]+(\.[0-9]+)?|latest|sha-.*", slug):
        slug = f"branch-{slug}"
    # The longest suffix of a variant stays possible.
    room = LONGEST - len("-gpu")
    return slug if len(slug) <= room else f"{slug[: room - 9]}-{_short_hash(branch)}"


def _require_clean(state: GitState, wishes: TagOptions) -> None:
    if state.dirty and not wishes.allow_dirty:
        raise PipelineError.of(
            "the working tree has uncommitted changes",
            expected="a clean tree, so that the commit names the image",
            do="Commit them, or pass --allow-dirty.",
        )
    if state.dirty and wishes.latest:
        raise PipelineError.of(
            "`latest` of a dirty tree",
            expected="a commit that others can build",
            do="Commit, or leave --latest out.",
        )


def _require_tag(tag: str) -> None:
    if not TAG.fullmatch(tag):
        shown = f"{tag[:20]}… ({len(tag)} characters)" if len(tag) > LONGEST else repr(tag)
        raise PipelineError.of(
            f"tag {shown}",
            expected=f"at most {LONGEST} letters, digits, '_', '.' or '-', the first no '.' or '-'",
            do="Fix the value of --tags.",
        )


def _versions(tags: Iterable[str]) -> list[Version]:
    return [version for tag in tags if (version := Version.parse(tag))]


def _lines(version: Version, known: Iterable[Version]) -> list[str]:
    """Return `X.Y` and `X` where the version is the newest release of that line."""
    if not version.final:
        return []
    releases = [other.numbers for other in known if other.final] + [version.numbers]
    major, minor, _ = version.numbers
    lines = []
    if version.numbers == max(other for other in releases if other[:2] == (major, minor)):
        lines.append(f"{major}.{minor}")
    if major and version.numbers == max(other for other in releases if other[0] == major):
        lines.append(str(major))
    return lines


def _suffixed(tags: Iterable[str], suffixes: Sequence[str]) -> tuple[str, ...]:
    made = [f"{tag}{suffix}" for tag in tags for suffix in suffixes]
    for tag in made:
        _require_tag(tag)
    return _once(made)


def _once(tags: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(tags))


def _short_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
