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


def test_an_exported_image_is_in_podmans_store_and_starts(tmp_path: Path) -> None:
    """`export-image` puts it under its name into the store that the caller's podman is configured for."""
    run = tempfile.mkdtemp(dir="/tmp")
    store = {"graphroot": str(tmp_path / "store"), "runroot": run}
    lines = ["[storage]", 'driver = "overlay"', *(f'{key} = "{path}"' for key, path in store.items())]
    configured = tmp_path / "storage.conf"
    configured.write_text("\n".join(lines))
    environment = {"CONTAINERS_STORAGE_CONF": str(configured)}
    words = ["build", "--variant=api", "export-image", "--name=localhost/wheelhouse:exported"]
    made = Checkout(ROOT).call(*words, **environment)
    assert made.returncode == 0, made.stderr[-2000:]

    limits = ["--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024", "--network=none", "--pull=never"]
    start = ["podman", "--runtime=runc", "run", "--rm", *limits, "localhost/wheelhouse:exported"]
    environ = os.environ | environment
    try:
        started = subprocess.run(
            [*start, "python", "-c", "import rag, os; print(os.getuid(), rag.__file__)"],
            check=False,
            capture_output=True,
            text=True,
            env=environ,
        )
    finally:
        subprocess.run(["podman", "rmi", "--all", "--force"], check=False, capture_output=True, env=environ)

    assert started.stdout.strip() == "1001 /srv/app/rag/__init__.py", started.stderr[-1000:]
