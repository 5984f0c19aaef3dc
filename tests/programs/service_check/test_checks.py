"""A good service passes every check; for each promise there is a service that breaks it."""

import pytest

pytestmark = pytest.mark.integration


def test_a_good_service_passes_everything(judge):
    """Start, readiness, numbers, load, nonsense, SIGTERM and a restart pass; other models are refused."""
    verdict = judge()

    assert (verdict.exit_code, verdict.failures, verdict.skipped) == (0, {}, [])
    assert len(verdict.passed) == 10
    assert verdict.service_log.count("embedder: serving") == 2


def test_a_service_without_reference_is_checked_for_the_rest(judge):
    """Without reference embeddings the two checks that need them do not exist."""
    verdict = judge(reference=False)

    assert (verdict.exit_code, len(verdict.passed)) == (0, 8)


@pytest.mark.parametrize(
    ("fault", "check", "words"),
    [
        ("crashes at import", "start", "ModuleNotFoundError: No module named"),
        ("never ready", "ready", "/health answered 503, 200 expected"),
        ("hangs", "ready", "/health answered nothing (timed out), 200 expected"),
        ("says ready too early", "ready means ready", "said 200, then POST /v1/embeddings answered 503"),
        ("half norm", "embeddings equal the reference", "norm 0.5000 for 'aaa', 1 expected"),
        ("knows every path", "unknown path is refused", "/no/such/path answered 200, 404 expected"),
        ("mixes up answers", "concurrent requests", "of 64 requests: cosine"),
        ("dies of nonsense", "malformed requests", "answered 0 to a body that is not JSON"),
        ("drops requests", "SIGTERM while busy loses no accepted request", "8 of 8 requests in flight"),
        ("starts once only", "restart", "| embedder: it was here before"),
    ],
)
def test_each_fault_fails_its_own_check_first(judge, fault, check, words):
    """The first check that fails is the one that names the fault, and nothing is green."""
    verdict = judge(fault, seconds=16 if fault in {"hangs", "never ready"} else 60)

    assert verdict.exit_code == 1
    assert check == next(iter(verdict.failures))
    assert words in verdict.failures[check].replace("\n", " ")


def test_what_needs_a_started_service_is_skipped_without_one(judge):
    """After a crash the other checks are not green and not a dozen failures: skipped, and the log is kept."""
    verdict = judge("crashes at import")

    assert (len(verdict.failures), len(verdict.skipped), verdict.passed) == (1, 9, [])
    assert "no_such_module" in verdict.service_log


def test_a_service_that_stays_is_killed_and_named(judge):
    """A service that ignores SIGTERM fails, and the restart after it still works."""
    verdict = judge("ignores SIGTERM", seconds=40)

    assert list(verdict.failures) == ["SIGTERM while busy loses no accepted request"]
    assert "s after SIGTERM" in verdict.failures.popitem()[1]


def test_a_service_on_loopback_only_is_told_so(judge):
    """Who listens on 127.0.0.1 is reached by nobody outside its container."""
    verdict = judge("listens on loopback", seconds=16)

    assert "expected the service on every address (0.0.0.0, not 127.0.0.1)" in verdict.failures["start"]
