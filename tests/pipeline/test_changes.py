"""What a change costs at the registry: layers by digest, of a service before and after."""

import json
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline.test_services import SERVICES, call, edit

pytestmark = [pytest.mark.engine, pytest.mark.slow]

OLDER = (
    "click==8.3.1"
    " --hash=sha256:12ff4785d337a1bb490bb7e9c2b1ee5da3112e94a8622f26a6c77f5d2fc6842a"
    " --hash=sha256:981153a64e25f12d547d3426c367a4857371575ee7ad18df2a6183ab0545b2a6\n"
)
"""Another version of the one dependency."""
EDIT_BYTES = 20_000
"""Most that a registry may be sent for an edited line: layer, config and manifest together."""


@pytest.fixture
def service(tmp_path):
    """Copy a service of one dependency and two modules."""
    return Path(shutil.copytree(SERVICES / "packaged", tmp_path / "service"))


def blobs(service: Path, to: Path) -> list[tuple[str, int]]:
    """Build an image; return digest and bytes of its layers in order, then of config and manifest."""
    result = call(service, "build", "--variant=api", "-o", str(to))
    assert result.returncode == 0, result.stderr
    with tarfile.open(to) as archive:

        def read(name: str) -> Any:
            member = archive.extractfile(name)
            assert member
            return json.loads(member.read())

        described = read("index.json")["manifests"][0]
        manifest = read("blobs/" + described["digest"].replace(":", "/"))
    return [(one["digest"], one["size"]) for one in (*manifest["layers"], manifest["config"], described)]


def test_a_bumped_dependency_brings_the_layer_of_the_wheels_alone(service, tmp_path):
    """The base below and the application above keep their bytes."""
    before = blobs(service, tmp_path / "before.tar")
    (service / "requirements/api.txt").write_text(OLDER)

    after = blobs(service, tmp_path / "after.tar")

    changed = [place for place, (old, new) in enumerate(zip(before, after, strict=True)) if old != new]
    wheels, layers = 1, len(before) - 2
    assert changed == [wheels, layers, layers + 1]


def test_an_edited_line_brings_one_layer_of_a_few_kilobytes(service, tmp_path):
    """Everything below the application keeps its bytes."""
    before = blobs(service, tmp_path / "before.tar")
    edit(service / "src/notes/cli.py", "Read notes.", "Read the notes.")

    fresh = [blob for blob in blobs(service, tmp_path / "after.tar") if blob not in before]

    assert len(fresh) == 3
    assert sum(size for _, size in fresh) <= EDIT_BYTES
