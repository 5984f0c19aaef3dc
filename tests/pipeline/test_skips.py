"""A part is skipped when the engine was asked and refuses, and only where the configuration allows it."""

import json
from types import SimpleNamespace
from typing import Any

import anyio
import dagger
import pytest

from pipeline.check import tests as checks
from pipeline.check import verify
from pipeline.config import Config
from pipeline.variants import Variant
from pipeline.verify_config import VerifyConfig
from tests.pipeline.sessions import run_session
from tests.pipeline.test_config import GOOD

REASON = "the runners have no GPU"
SAID = "failed to resolve nvidia/cuda: no privilege for capability GPU"


def error(message: str, kind: str = "") -> Any:
    """Return an error as the engine's client raises it."""
    extensions = {"_type": kind} if kind else {}
    value = SimpleNamespace(message=message, extensions=extensions, path=None, locations=None)
    failure: Any = Exception.__new__(dagger.QueryError)
    Exception.__init__(failure, message)
    failure.errors = [value]
    return failure


class Chain:
    """A container whose every call gives itself again, and whose end raises what it is given."""

    def __init__(self, failure: Exception | None = None, special: Exception | None = None) -> None:
        self.failure, self.special = failure, special

    def __getattr__(self, name):
        def called(*_, **words):
            if name == "experimental_with_all_gp_us" or words.get("insecure_root_capabilities"):
                return Chain(self.special, self.special)
            return self

        return called

    async def _end(self, *_):
        if self.failure:
            raise self.failure
        return self

    sync = exit_code = contents = _end


def subject(image: Any, text: str) -> checks.TestInput:
    """Return a subject of the test of this image."""
    source: Any = None
    return checks.TestInput(
        image=image, config=Config.parse(text), variant=Variant.CPU, source=source, wheels=None
    )


ALLOWED = f'[tool.wheelhouse.verify.allow_skipped]\ngpu = "{REASON}"\nconfinement = "{REASON}"\n'


@pytest.fixture(autouse=True)
def directory(monkeypatch):
    """Give directories that need no engine."""
    monkeypatch.setattr(checks, "dag", SimpleNamespace(directory=Chain))


def on_gpu(builder: Chain, image: Chain, accepted: str) -> checks.TestRun:
    """Run the GPU's checks."""
    made: Any = SimpleNamespace(base=lambda: builder)
    return anyio.run(checks._on_gpu, made, subject(image, GOOD + accepted))  # noqa: SLF001 - the function under test


@pytest.mark.parametrize("accepted", ["", ALLOWED])
def test_an_error_that_names_a_gpu_is_a_failure_where_the_engine_has_one(accepted):
    """The words of an error are no answer: the engine gave the probe its GPU."""
    outcome = on_gpu(Chain(), Chain(special=error(SAID)), accepted)

    assert (outcome.exit_code, outcome.skipped) == (1, "")
    assert SAID in outcome.output


def test_an_engine_without_gpu_skips_where_the_configuration_allows_it():
    """The reason is what the engine said, together with the configuration's own."""
    refused = error("GPU support is not enabled")

    outcome = on_gpu(Chain(special=refused), Chain(special=refused), ALLOWED)

    assert outcome.exit_code == 0
    assert "GPU support is not enabled" in outcome.skipped
    assert REASON in outcome.skipped


def test_an_engine_without_gpu_fails_where_the_configuration_says_nothing():
    """A skip that nobody allowed is a failure that names the key."""
    refused = error("GPU support is not enabled")

    outcome = on_gpu(Chain(special=refused), Chain(special=refused), "")

    assert (outcome.exit_code, outcome.skipped) == (1, "")
    assert "[tool.wheelhouse.verify.allow_skipped] gpu = REASON" in outcome.output


def test_an_engine_that_runs_nothing_at_all_has_not_answered():
    """Where the plain command fails as well, its error is raised: nothing is known about GPUs."""
    dead = error("connection refused")

    with pytest.raises(dagger.QueryError, match="connection refused"):
        on_gpu(Chain(failure=dead, special=dead), Chain(special=dead), ALLOWED)


def started(builder: Chain, image: Chain, accepted: VerifyConfig, monkeypatch) -> list[verify.Check]:
    """Run the checks of the started service."""

    async def with_image(*_: object) -> Chain:
        return image

    monkeypatch.setattr(verify, "_with_image", with_image)
    made: Any = SimpleNamespace(base=lambda: builder)
    judged: Any = SimpleNamespace(image=Chain(), accepted=accepted)
    return anyio.run(verify._started, made, judged)  # noqa: SLF001 - the function under test


def test_an_error_that_names_a_privilege_is_raised_where_the_engine_grants_it(monkeypatch):
    """An unexpected error fails `verify`, whatever words are in it."""
    allowed = VerifyConfig(allow_skipped={"confinement": REASON})

    with pytest.raises(dagger.QueryError, match="no privilege for capability"):
        started(Chain(), Chain(special=error(SAID)), allowed, monkeypatch)


@pytest.mark.parametrize(("allow", "status"), [({}, "failed"), ({"confinement": REASON}, "skipped")])
def test_an_engine_that_confines_nothing_fails_unless_that_is_allowed(monkeypatch, allow, status):
    """All five checks share one answer of the engine."""
    refused = error("security.insecure is not allowed")

    found = started(
        Chain(special=refused), Chain(special=refused), VerifyConfig(allow_skipped=allow), monkeypatch
    )

    assert [check["status"] for check in found] == [status] * len(verify.STARTED)
    assert "security.insecure is not allowed" in str(found)


def test_tests_without_their_lock_fail_unless_that_is_allowed():
    """Declared tests that cannot be run are not green."""
    declared = GOOD.replace("port = 8000", 'port = 8000\ntests = "tests"')
    builder: Any = None

    outcome = anyio.run(checks._own_tests, builder, subject(Chain(), declared))  # noqa: SLF001 - the function under test

    assert outcome.exit_code == 1
    assert "requirements/test.txt" in outcome.output


BODY = """
sys.path.insert(0, str(ROOT))
from pipeline.containers import Builder
from pipeline.check.skips import gpu_refusal, privileges_refusal
builder = Builder(image=BASE)
print(json.dumps([await gpu_refusal(builder), await privileges_refusal(builder)]))
"""


@pytest.mark.engine
@pytest.mark.slow
def test_the_embedded_engine_answers_both_questions(tmp_path):
    """It has no GPU to give, and it grants root capabilities."""
    done = run_session(tmp_path, BODY)

    gpu, privileges = json.loads(done.stdout)
    assert "gives execs no GPU" in gpu
    assert privileges == ""
