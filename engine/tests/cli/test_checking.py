"""Checks are found recursively, chosen by pattern, and run together."""

import asyncio

import pytest

from wheelhouse_engine.cli.checking import Choice, find_checks, matches, run_all, select, table
from wheelhouse_engine.cli.failures import CommandError

from .conftest import RecordingSession


def test_checks_are_found_through_own_objects(garden):
    """Checks of objects that argument-less functions return are found, and no circle is followed."""
    assert [one.name for one in find_checks(garden)] == ["garden:rules:dry", "garden:weeded"]


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("weeded", ["garden:weeded"]),
        ("garden:weeded", ["garden:weeded"]),
        ("rules", ["garden:rules:dry"]),
        ("garden", ["garden:rules:dry", "garden:weeded"]),
        ("*:dry", ["garden:rules:dry"]),
    ],
)
def test_patterns_are_globs_or_prefixes(garden, pattern, names):
    """A pattern names a check, a group, or matches as a glob."""
    chosen = select(list(find_checks(garden)), Choice(patterns=(pattern,)))

    assert names == [one.name for one in chosen]


def test_a_pattern_that_matches_nothing_is_an_error(garden):
    """A misspelt check is not silently green."""
    with pytest.raises(CommandError, match="no check matches 'weded', did you mean weeded"):
        select(list(find_checks(garden)), Choice(patterns=("weded",)))


def test_a_prefix_is_whole_words():
    """`weed` does not name `weeded`."""
    assert not matches("garden:weeded", "weed")


async def test_every_check_runs_and_each_tells_how_it_ended(garden):
    """One failure does not hide the others."""
    ended = await run_all(list(find_checks(garden)), RecordingSession(), garden, failfast=False)

    assert [(one.name, one.result) for one in ended] == [
        ("garden:rules:dry", "failed"),
        ("garden:weeded", "passed"),
    ]
    assert "the soil is dry" in str(ended[0].error)


async def test_failfast_cancels_the_others(garden, monkeypatch):
    """With failfast a check that still runs is canceled."""

    async def slow(_self: object) -> str:
        await asyncio.sleep(60)
        return ""

    monkeypatch.setattr(garden.types.own.main, "weeded", slow)

    ended = await run_all(list(find_checks(garden)), RecordingSession(), garden, failfast=True)

    assert [one.result for one in ended] == ["failed", "canceled"]


def test_the_table_is_aligned():
    """Columns are three spaces apart, without trailing spaces."""
    assert table([("Name", "Result"), ("a:b", "ok")]) == "Name   Result\na:b    ok\n"
