"""The whole way: a commit in, a tested image in a registry out; the same again sends nothing."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.programs.oci.registry_server import Kind, Proxy, installed, proxy_before, running

ROOT = Path(__file__).parents[2]
WHEELHOUSE = Path(sys.executable).with_name("wheelhouse")

pytestmark = [pytest.mark.engine, pytest.mark.slow]


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[Proxy]:
    """Give a proxy before an empty registry."""
    if not installed() or shutil.which("buildah") is None or os.geteuid() != 0:
        pytest.skip("needs docker-registry, buildah and root")
    (tmp_path / "registry").mkdir()
    with running(tmp_path / "registry", Kind()) as address, proxy_before(address) as made:
        yield made


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Give a clone of this repository at its HEAD."""
    target = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(target)], check=True)
    return target


def publish(clone: Path, address: str) -> str:
    """Publish the smallest variant and return the line that was printed."""
    words = ["call", "publish", f"--address={address}/app", "--variants=api"]
    done = subprocess.run(
        [str(WHEELHOUSE), *words], cwd=clone, capture_output=True, text=True, check=False, timeout=900
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.strip()


def test_a_commit_is_published_once(proxy: Proxy, clone: Path) -> None:
    """The printed digest has the commit's tag and HEALTHCHECK; publishing again sends no byte."""
    line = publish(clone, proxy.address)
    head = subprocess.run(
        ["git", "-C", str(clone), "rev-parse", "HEAD"], check=True, capture_output=True, text=True
    ).stdout.strip()
    found = re.fullmatch(rf"{proxy.address}/app@(sha256:[0-9a-f]{{64}}) sha-{head[:12]}-api", line)
    assert found
    inspect = ["skopeo", "inspect", "--tls-verify=false", "--raw", "--config"]
    read = subprocess.run(
        [*inspect, f"docker://{proxy.address}/app@{found[1]}"], check=True, capture_output=True, text=True
    )
    config = json.loads(read.stdout)["config"]
    assert config["Labels"]["org.opencontainers.image.revision"] == head
    assert config["Healthcheck"]["Test"]
    proxy.clear()
    assert publish(clone, proxy.address) == line
    assert sum(proxy.sent) == 0
