"""Tags: the state of a git tree in, names of the image out."""

import re
from collections.abc import Sequence
from typing import Any

import pytest

from pipeline.commits import Commit, GitState
from pipeline.errors import PipelineError
from pipeline.publish.tags import ImageTags, TagOptions, branch_tag, image_tags
from pipeline.registry import repository_address

SHA = "0123456789abcdef0123456789abcdef01234567"
NAMED = ("sha-0123456789ab",)


def state(*tags: str, **more: Any) -> GitState:
    """Return a clean tree at SHA with these git tags."""
    return GitState(commit=Commit(SHA), tags=tags, known=more.pop("known", tags), **more)


def made(git: GitState, suffixes: Sequence[str] = ("",), **wishes: Any) -> ImageTags:
    """Return the tags of a state and wishes."""
    return image_tags(git, TagOptions(**wishes), suffixes)


def test_a_commit_gives_its_first_twelve_digits():
    """A commit without git tags gives `sha-` and twelve hex digits, and nothing that moves."""
    assert made(state()) == ImageTags(NAMED, ())


def test_a_release_gives_its_version_and_its_lines():
    """`v1.4.2` gives the whole version for ever, and `1.4` and `1` that move."""
    assert made(state("v1.4.2")) == ImageTags((*NAMED, "v1.4.2", "1.4.2"), ("1.4", "1"))


@pytest.mark.parametrize(
    ("tag", "given"),
    [
        ("v2.0.0-rc.1", ("v2.0.0-rc.1", "2.0.0-rc.1")),
        ("v2.0.0+cu13", ("v2.0.0_cu13", "2.0.0_cu13")),
        ("v2.0", ()),
        ("v02.0.0", ()),
        ("2.0.0", ()),
        ("release", ()),
    ],
)
def test_other_git_tags_move_nothing(tag, given):
    """A pre-release or special build gives only itself; what is no version gives nothing."""
    assert made(state(tag)) == ImageTags((*NAMED, *given), ())


def test_version_zero_has_no_major_line():
    """`v0.3.1` gives `0.3` but not `0`, of which semver promises nothing."""
    assert made(state("v0.3.1")).moving == ("0.3",)


def test_an_old_release_takes_no_line_from_a_newer_one():
    """A patch of 1.2 after 1.10.0 moves `1.2` and leaves `1`; a newer pre-release does not count."""
    assert made(state("v1.2.5", known=("v1.2.5", "v1.2.4", "v1.10.0"))).moving == ("1.2",)
    assert made(state("v1.2.5", known=("v1.2.5", "v1.3.0-rc.1"))).moving == ("1.2", "1")


def test_several_versions_at_one_commit_are_all_given():
    """Two git tags at HEAD give both versions, and each line once."""
    tags = made(state("v1.0.0", "v1.0.1"))
    assert tags.immutable == (*NAMED, "v1.0.0", "1.0.0", "v1.0.1", "1.0.1")
    assert tags.moving == ("1.0", "1")


def test_every_tag_has_every_suffix_of_its_variant():
    """The cpu image is found plain and with `-cpu`, the others with theirs only."""
    assert made(state(), ("", "-cpu"), latest=True) == ImageTags(
        ("sha-0123456789ab", "sha-0123456789ab-cpu"), ("latest", "latest-cpu")
    )
    assert made(state(), ("-gpu",)).immutable == ("sha-0123456789ab-gpu",)


def test_a_dirty_tree_is_refused():
    """Uncommitted changes stop the publish, with what to do."""
    with pytest.raises(PipelineError, match=r"uncommitted changes.*--allow-dirty"):
        made(state(dirty=True))


def test_an_allowed_dirty_tree_gets_nothing_lasting():
    """With --allow-dirty the tag says so and may move; versions are not given."""
    tags = made(state("v1.0.0", dirty=True), allow_dirty=True)
    assert tags == ImageTags((), ("sha-0123456789ab-dirty",))


def test_latest_of_a_dirty_tree_is_refused():
    """Nobody else can build it, so `latest` never names it."""
    with pytest.raises(PipelineError, match="latest"):
        made(state(dirty=True), allow_dirty=True, latest=True)


def test_latest_and_branch_only_on_request():
    """`latest` and the branch are moving tags that are given when asked for."""
    assert made(state(branch="main")).moving == ()
    assert made(state(branch="main"), branch=True, latest=True).moving == ("main", "latest")


def test_a_detached_head_has_no_branch_tag():
    """A branch asked for on a detached HEAD is an error; without the wish it is nothing."""
    with pytest.raises(PipelineError, match="detached"):
        made(state(), branch=True)


def test_without_git_a_tag_must_be_passed():
    """No repository or no commit: only passed tags are given, and none is an error."""
    nothing = GitState(commit=None)
    assert made(nothing, extra=("nightly",)) == ImageTags((), ("nightly",))
    with pytest.raises(PipelineError, match=r"no git commit.*--tags"):
        made(nothing)


def test_a_passed_version_is_lasting():
    """A passed tag that reads like a version or `sha-…` never changes what it names."""
    extra = ("1.2.3", "v1.2.3-rc.1", "sha-0123456789ab", "1.2", "nightly")
    tags = made(GitState(commit=None), extra=extra)
    assert tags == ImageTags(("1.2.3", "v1.2.3-rc.1", "sha-0123456789ab"), ("1.2", "nightly"))


@pytest.mark.parametrize("tag", ["", "-x", ".x", "a b", "a/b", "ä", "x" * 129, "a:b", "a\n"])
def test_malformed_tags_are_refused(tag):
    """What no registry takes is refused here, with what is legal."""
    with pytest.raises(PipelineError, match="expected at most 128"):
        made(state(), extra=(tag,))


def test_a_suffix_must_fit_too():
    """A tag of 126 characters is legal alone and refused with `-gpu`."""
    assert made(state(), extra=("x" * 126,))
    with pytest.raises(PipelineError, match="130 characters"):
        made(state(), ("-gpu",), extra=("x" * 126,))


@pytest.mark.parametrize(
    ("branch", "tag"),
    [
        ("main", "main"),
        ("feature/new-thing", "feature-new-thing"),
        ("dependabot/pip/app/numpy-2.0", "dependabot-pip-app-numpy-2.0"),
        ("-odd.", "odd"),
        ("a  b@{c", "a-b-c"),
        ("1.2.3", "branch-1.2.3"),
        ("1.2", "branch-1.2"),
        ("latest", "branch-latest"),
        ("sha-0123456789ab", "branch-sha-0123456789ab"),
    ],
)
def test_branch_names_become_tags(branch, tag):
    """What a tag cannot hold becomes "-"; what would read like another kind of tag is marked."""
    assert branch_tag(branch) == tag


@pytest.mark.parametrize("branch", ["機能", "///", "x" * 300, "ä" * 200 + "b" * 130])
def test_odd_branches_become_legal_and_different_tags(branch):
    """A branch without a single legal character, or a long one, is named by a hash."""
    tag = branch_tag(branch)
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,123}", tag)
    assert tag != branch_tag(branch + "y")


@pytest.mark.parametrize("text", ["", "main", SHA[:12], SHA.upper(), SHA + "0", SHA + "\n"])
def test_anything_but_a_full_object_name_is_refused(text):
    """A branch, a short name or upper case is no commit."""
    with pytest.raises(PipelineError, match="expected 40 or 64 hex digits"):
        Commit.parse(text)


@pytest.mark.parametrize("address", ["ghcr.io/me/app", "127.0.0.1:5000/app", "localhost:5000/a/b/c"])
def test_an_address_may_have_a_port(address):
    """A port of the registry is no tag."""
    assert repository_address(address) == address


@pytest.mark.parametrize("address", ["ghcr.io/me/app:v1", "ghcr.io/app@sha256:00", "app", "ghcr.io/", ""])
def test_an_address_with_a_tag_of_its_own_is_refused(address):
    """The pipeline makes the tags; an address that has one, or no repository, is refused."""
    with pytest.raises(PipelineError, match="expected REGISTRY/REPOSITORY"):
        repository_address(address)
