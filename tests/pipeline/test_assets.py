"""Data that libraries download is in the image, at the place that the image's environment names."""

import shutil
from pathlib import Path

import pytest

from tests.pipeline.test_services import SERVICES, call

pytestmark = [pytest.mark.engine, pytest.mark.slow]
ASSET = """
[tool.wheelhouse.assets.words]
command = ["python", "-c", "import os, pathlib; pathlib.Path(os.environ['WORDS'], 'a.txt').write_text('hi')"]
env = { WORDS = "/assets/words" }
"""


def test_an_asset_is_fetched_once_its_digest_is_known_and_baked(tmp_path):
    """The first build fails with the digest; the second image has the file and the variable."""
    service = Path(shutil.copytree(SERVICES / "packaged", tmp_path / "service"))
    pyproject = service / "pyproject.toml"
    text = pyproject.read_text() + ASSET
    pyproject.write_text(text)

    first = call(service, "build", "--variant=api", "sync")
    digest = first.stderr.partition('now have sha256 = "')[2][:64]
    pyproject.write_text(f'{text}sha256 = "{digest}"\n')
    shown = call(service, "build", "--variant=api", "file", "--path=/assets/words/a.txt", "contents")
    variable = call(service, "build", "--variant=api", "env-variable", "--name=WORDS")

    assert first.returncode == 1
    assert shown.stdout == "hi", shown.stderr
    assert variable.stdout.strip() == "/assets/words"
