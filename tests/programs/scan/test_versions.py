"""Versions: which are affected, by every kind of range, and which cannot be told."""

from collections.abc import Sequence
from typing import Any

import pytest
from scan.versions import judge


def affected(*events: Any, kind: str = "ECOSYSTEM", versions: Sequence[str] = ()) -> dict[str, Any]:
    """Return an `affected` entry with one range and a list."""
    return {"ranges": [{"type": kind, "events": list(events)}], "versions": list(versions)}


FROM_2 = ({"introduced": "2.0"}, {"fixed": "2.5"})


@pytest.mark.parametrize(
    ("version", "entry", "expected"),
    [
        ("1.9", affected(*FROM_2), False),
        ("2.0", affected(*FROM_2), True),
        ("2.4.9", affected(*FROM_2), True),
        ("2.5", affected(*FROM_2), False),
        ("2.5rc1", affected(*FROM_2), True),
        ("2.4", affected(*FROM_2, kind="SEMVER"), True),
        ("2.5", affected({"introduced": "0"}, {"last_affected": "2.5"}), True),
        ("2.5.1", affected({"introduced": "0"}, {"last_affected": "2.5"}), False),
        ("2.5", affected({"introduced": "0"}, {"limit": "2.5"}), False),
        ("9", affected({"introduced": "0"}, {"limit": "*"}), True),
        ("9", affected({"introduced": "0"}), True),
        ("1.5", affected({"introduced": "2"}, {"fixed": "3"}, {"introduced": "0"}, {"fixed": "1"}), False),
        ("2.5", affected({"introduced": "2"}, {"fixed": "3"}, {"introduced": "0"}, {"fixed": "1"}), True),
        ("1!1.0", affected(*FROM_2), False),
        ("1!1.0", affected({"introduced": "0"}, {"fixed": "1!2.0"}), True),
        ("2.5+cpu", affected(*FROM_2), False),
        ("2.5+cpu", affected({"introduced": "0"}, {"last_affected": "2.5"}), True),
        ("2.5+cpu", affected({"introduced": "0"}, {"fixed": "2.5+cu1"}), True),
        ("3.0", affected(*FROM_2, versions=["3.0"]), True),
        ("3.0+cpu", affected(*FROM_2, versions=["3.0"]), True),
        ("3.0.0", affected(*FROM_2, versions=["3.0"]), True),
        ("2.4", affected(*FROM_2, versions=["2.1"]), True),
        ("2.4", {"versions": ["2.3"], "ranges": [{"type": "GIT", "events": [{"introduced": "0"}]}]}, False),
    ],
)
def test_a_version_is_affected_exactly_when_a_range_or_the_list_holds_it(version, entry, expected):
    """A version is affected when any range holds it or the list names it, local labels aside."""
    verdict = judge(version, entry)

    assert (verdict.affected, verdict.unjudgeable) == (expected, "")


@pytest.mark.parametrize(
    ("version", "entry", "reason"),
    [
        ("2.3.0", affected({"introduced": "0"}, {"last_affected": "2.6.0-NA"}), "2.6.0-NA"),
        ("2.3.0", affected({"introduced": "junk"}, {"fixed": "3"}), "junk"),
        ("2.3.0", affected({"introduced": "0"}, {"fixed": None}), "None"),
        ("2.3.0", affected({"introduced": "0", "fixed": "1"}), "not one bound"),
        ("2.3.0", affected({"begun": "0"}), "unknown kind"),
        ("2.3.0", affected(), "without events"),
        ("2.3.0", affected({"introduced": "0"}, kind="GIT"), "no ordered range"),
        ("2.3.0", {}, "no ordered range"),
        ("2.3-final-really", affected(*FROM_2), "not a PEP 440 version"),
    ],
)
def test_what_cannot_be_judged_counts_as_affected_and_says_why(version, entry, reason):
    """A bound or version that PEP 440 cannot read makes the finding unjudgeable, never absent."""
    verdict = judge(version, entry)

    assert verdict.affected
    assert reason in verdict.unjudgeable


def test_a_yanked_version_is_judged_by_the_ranges():
    """A version that the index took back is in no list of versions any more: its range still holds it."""
    listed = affected(*FROM_2, versions=["2.0", "2.2"])

    assert judge("2.1", listed).affected
    assert not judge("2.6", listed).affected


def test_a_readable_bound_still_excludes_where_the_other_is_junk():
    """A version below a readable lower bound is not affected, whatever the upper bound says."""
    verdict = judge("1.0", affected({"introduced": "2.0"}, {"fixed": "2.6.0-NA"}))

    assert not verdict.affected


def test_the_fixes_named_are_those_above_the_version():
    """A finding names the repairing versions above the installed one, lowest first."""
    entry = affected({"introduced": "0"}, {"fixed": "1.0"}, {"introduced": "2.0"}, {"fixed": "2.10"})

    assert judge("2.1", entry).fixed == ("2.10",)
