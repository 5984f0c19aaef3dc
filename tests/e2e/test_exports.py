"""An image leaves the pipeline as an archive that other tools read."""

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.e2e.conftest import ROOT, Checkout

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(
        shutil.which("buildah") is None or shutil.which("podman") is None or os.geteuid() != 0,
        reason="needs buildah, podman and root",
    ),
]


@pytest.mark.parametrize("media_types", ["DockerMediaTypes", "OCIMediaTypes"])
def test_podman_loads_the_archive_with_its_healthcheck(tmp_path: Path, media_types: str) -> None:
    """Docker's and OCI's archive load into podman's store: user, command and HEALTHCHECK are there."""
    archive = tmp_path / "image.tar"
    words = ["build", "--variant=api", "as-tarball", f"--media-types={media_types}", "-o", str(archive)]
    made = Checkout(ROOT).call(*words)
    assert made.returncode == 0, made.stderr[-2000:]
    # podman refuses a runroot of more than 50 characters.
    run = tempfile.mkdtemp(dir="/tmp")
    podman = ["podman", "--root", str(tmp_path / "store"), "--runroot", run]
    loaded = subprocess.run(
        [*podman, "load", "--input", str(archive)], check=False, capture_output=True, text=True
    )
    assert loaded.returncode == 0, loaded.stderr[-1000:]
    image = subprocess.run(
        [*podman, "images", "--quiet"], check=True, capture_output=True, text=True
    ).stdout.split()
    [found] = json.loads(subprocess.run([*podman, "inspect", *image], check=True, capture_output=True).stdout)

    assert found["Config"]["User"] == "1001:1001"
    assert found["Config"]["Cmd"]
    if media_types == "DockerMediaTypes":
        assert found["Healthcheck"]["Test"]
    subprocess.run([*podman, "rmi", "--force", *image], check=True, capture_output=True)
