"""What a runtime image says of itself to whoever starts it."""

import json
from pathlib import Path

import pytest

from tests.pipeline.sessions import run_session

pytestmark = pytest.mark.engine
SETTINGS = """
from pipeline.config import Config
from pipeline.build.image import runtime_image
from pipeline.variants import Variant
config = Config.parse((ROOT / "tests/assets/services/tiny/pyproject.toml").read_text())
check = runtime_image(dag.container(), [], config, Variant.API, {}).docker_healthcheck()
print(json.dumps([await check.start_interval(), await check.interval(), await check.start_period()]))
"""


def test_a_started_image_is_asked_every_second_whether_it_is_up(tmp_path: Path):
    """Dagger and Docker wait for the probe, not for a port: at its usual pace that would be 10 s."""
    done = run_session(tmp_path, SETTINGS)

    assert json.loads(done.stdout) == ["1s", "10s", "30s"], done.stderr
