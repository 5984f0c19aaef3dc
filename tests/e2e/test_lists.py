"""The lists of real images: valid for others, complete, the same each time."""

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.e2e.conftest import ROOT, Checkout
from tests.programs.interpreters import interpreter
from tests.programs.sbom.validators import REQUIREMENTS, complaint

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(shutil.which("buildah") is None or os.geteuid() != 0, reason="needs buildah and root"),
]


@pytest.fixture(scope="module")
def validators(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the validators of both formats."""
    return interpreter(tmp_path_factory.mktemp("validators"), REQUIREMENTS)


@pytest.mark.parametrize("variant", ["cpu", "api"])
def test_the_lists_of_a_real_image_are_valid_and_complete(
    validators: Path, variant: str, tmp_path: Path
) -> None:
    """Both formats pass their validators, and 99.5 % of the image's files belong to a component."""
    lists = {"sbom.cdx.json": (), "sbom.spdx.json": ("--spdx",)}
    for name, words in lists.items():
        done = Checkout(ROOT).call("sbom", f"--variant={variant}", *words, "-o", str(tmp_path / name))
        assert done.returncode == 0, done.stderr[-2000:]

    assert {name: complaint(validators, tmp_path / name) for name in lists} == dict.fromkeys(lists, "")
    bill = json.loads((tmp_path / "sbom.cdx.json").read_text())
    said = {one["name"]: one["value"] for one in bill["metadata"]["properties"]}
    assert int(said["wheelhouse:files-unowned"]) <= 0.005 * int(said["wheelhouse:files"])
    models = [one["name"] for one in bill["components"] if one["type"] == "machine-learning-model"]
    assert sorted(models) == (["cl100k", "minilm"] if variant == "cpu" else [])
