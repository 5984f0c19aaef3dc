"""A build asks the engine little: each question is a round trip, and a line of its log."""

import json
from pathlib import Path

import pytest

from tests.pipeline.sessions import run_session

pytestmark = [pytest.mark.engine, pytest.mark.integration]

BUILD = """
    import dagger.client._core as client
    from pipeline.main import Wheelhouse
    from pipeline.variants import Variant
    original, asked, texts = client.Context.execute, [], []
    async def execute(self, return_type=None):
        asked.append(".".join(field.name for field in self.selections))
        texts.extend(str(value) for field in self.selections for value in field.args.values())
        return await original(self, return_type)
    source = await dag.host().directory(str(ROOT / "tests/assets/services/tiny")).sync()
    client.Context.execute = execute
    await (await Wheelhouse(source=source).build(Variant.API)).id()
    print(json.dumps({"asked": asked, "longest": max(map(len, texts))}))
"""
MOST = 52
"""Questions of one build, constructor included. Before chains shared their beginnings: 88."""


def test_a_build_asks_few_questions(tmp_path: Path) -> None:
    """A build of a service without models stays below its number, and sends no program as text."""
    done = run_session(tmp_path, BUILD)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])

    assert len(found["asked"]) <= MOST, "\n".join(found["asked"])
    assert found["longest"] < 1000
