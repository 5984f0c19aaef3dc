"""Errors: found, expected, do; near misses; several failures in one."""

from pipeline.errors import ChecksFailedError, PipelineError, near_miss


def test_an_error_says_found_expected_and_do():
    """One sentence of what was found and expected, one of what to do."""
    error = PipelineError.of("port 'x'", expected="a number", do="Correct it.")

    assert str(error) == "port 'x'; expected a number. Correct it."


def test_a_near_miss_is_suggested():
    """A word that is nearly a known one is answered with it."""
    assert near_miss("gpuu", ["cpu", "gpu"]) == ", did you mean 'gpu'?"


def test_a_far_miss_suggests_nothing():
    """A word that is like no other is not guessed at."""
    assert near_miss("zebra", ["cpu", "gpu"]) == ""


def test_all_failures_are_listed():
    """One error carries a line per failed check."""
    assert str(ChecksFailedError.gathered("test", ["a", "b"])) == "test: 2 failed\n  - a\n  - b"
    assert str(ChecksFailedError.gathered("test", ["a"], "Retry.")) == "test: 1 failed\n  - a\nRetry."
