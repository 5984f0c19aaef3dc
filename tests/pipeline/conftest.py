"""What tests of shared directories and shared bases need: a registry, and whose signature counts."""

import subprocess
from collections.abc import Iterator

import pytest

from tests.programs.oci.registry_server import Kind, Proxy, installed, proxy_before, running


@pytest.fixture
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """Give a proxy before an empty registry."""
    if not installed():
        pytest.skip("docker-registry is not installed")
    with (
        running(tmp_path_factory.mktemp("registry"), Kind()) as address,
        proxy_before(address) as made,
    ):
        yield made


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Make two key pairs: ours.pem, ours.pub, theirs.pem, theirs.pub."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("ours", "theirs"):
        private = folder / f"{name}.pem"
        make = ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]
        subprocess.run([*make, "-out", str(private)], check=True, capture_output=True)
        export = ["openssl", "pkey", "-in", str(private), "-pubout", "-out", str(folder / f"{name}.pub")]
        subprocess.run(export, check=True)
    return {path.name: str(path) for path in folder.iterdir()}
