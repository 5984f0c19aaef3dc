"""The whole way: a commit in, a tested image in a registry out; the same again sends nothing."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.programs.oci.registry_server import (
    PASSWORD,
    USERNAME,
    Kind,
    Proxy,
    installed,
    proxy_before,
    running,
)

ROOT = Path(__file__).parents[2]
WHEELHOUSE = Path(sys.executable).with_name("wheelhouse")

pytestmark = [pytest.mark.engine, pytest.mark.slow]


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[Proxy]:
    """Give a proxy before an empty registry that asks for a password."""
    if not installed() or shutil.which("buildah") is None or os.geteuid() != 0:
        pytest.skip("needs docker-registry, buildah and root")
    (tmp_path / "registry").mkdir()
    with (
        running(tmp_path / "registry", Kind(private=True)) as address,
        proxy_before(address) as made,
    ):
        yield made


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Give a clone of this repository at its HEAD."""
    target = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(target)], check=True)
    return target


def call(clone: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run `wheelhouse call` with the registry's password in the environment."""
    return subprocess.run(
        [str(WHEELHOUSE), "--engine=embedded", "call", *words],
        cwd=clone,
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
        env=os.environ | {"REGISTRY_PASSWORD": PASSWORD},
    )


LOGIN = (f"--username={USERNAME}", "--password=env://REGISTRY_PASSWORD")


def keys(folder: Path, name: str) -> Path:
    """Make a key pair `<name>.pem`, `<name>.pub`."""
    private = folder / f"{name}.pem"
    make = ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    subprocess.run([*make, "-out", str(private)], check=True, capture_output=True)
    export = ["openssl", "pkey", "-in", str(private), "-pubout", "-out", str(private.with_suffix(".pub"))]
    subprocess.run(export, check=True)
    return private


def inspect(reference: str, *words: str) -> Any:
    """Return what skopeo reads back."""
    command = ["skopeo", "inspect", "--tls-verify=false", f"--creds={USERNAME}:{PASSWORD}", "--raw", *words]
    read = subprocess.run([*command, f"docker://{reference}"], check=True, capture_output=True, text=True)
    return json.loads(read.stdout)


class Listener(threading.Thread):
    """Looks for a text in the argument list of every process, as other users of the machine can."""

    def __init__(self, text: str) -> None:
        super().__init__(daemon=True)
        self.text, self.seen, self.over = text.encode(), set[str](), threading.Event()

    def run(self) -> None:
        """Look until told that it is over."""
        while not self.over.wait(0.05):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    words = path.read_bytes()
                except OSError:
                    continue
                # skopeo of this very test takes it as an argument.
                if self.text in words and not words.startswith(b"skopeo"):
                    self.seen.add(words.decode(errors="replace"))


def test_a_commit_is_published_once_with_what_speaks_for_it(
    proxy: Proxy, clone: Path, tmp_path: Path
) -> None:
    """One digest with HEALTHCHECK, list, findings and signed provenance; again sends no byte; no password."""
    key = keys(tmp_path, "ours")
    head = subprocess.run(
        ["git", "-C", str(clone), "rev-parse", "HEAD"], check=True, capture_output=True, text=True
    ).stdout.strip()
    words = ["publish", f"--address={proxy.address}/app", "--variants=api", *LOGIN]
    words.append(f"--signing-key=file://{key}")
    listener = Listener(PASSWORD)
    listener.start()
    started = time.time()
    first = call(clone, *words)
    listener.over.set()
    assert first.returncode == 0, first.stderr[-3000:]
    line = first.stdout.strip()
    found = re.fullmatch(rf"({proxy.address}/app@sha256:([0-9a-f]{{64}})) sha-{head[:12]}-api", line)
    assert found
    config = inspect(found[1], "--config")["config"]
    assert config["Labels"]["org.opencontainers.image.revision"] == head
    assert config["Healthcheck"]["Test"]
    attached = inspect(f"{proxy.address}/app:sha256-{found[2]}")["manifests"]
    assert {one["artifactType"] for one in attached} == {
        "application/vnd.cyclonedx+json",
        "application/spdx+json",
        "application/vnd.wheelhouse.findings.v1+json",
        "application/vnd.dev.sigstore.bundle.v0.3+json",
    }

    assert PASSWORD not in first.stdout + first.stderr
    assert not listener.seen
    assert not holders(PASSWORD, tmp_path / "registry/data", started)

    proxy.clear()
    second = call(clone, *words)
    assert second.stdout.strip() == line, second.stderr[-3000:]
    assert sum(proxy.sent) == 0

    checked = call(
        clone,
        "verify-signature",
        f"--reference={found[1]}",
        f"--public-key={key.with_suffix('.pub')}",
        *LOGIN,
    )
    assert f"sha256:{found[2]} https://slsa.dev/provenance/v1 verified" in checked.stdout
    other = keys(tmp_path, "theirs").with_suffix(".pub")
    refused = call(clone, "verify-signature", f"--reference={found[1]}", f"--public-key={other}", *LOGIN)
    assert (refused.returncode, "no signature of the bundle is by this key" in refused.stderr) == (1, True)
    blind = call(clone, "rescan", f"--reference={found[1]}", "--offline", *LOGIN)
    assert (blind.returncode, "debian: skipped" in blind.stderr) == (1, True)

    promoted = call(
        clone, "promote", f"--image={found[1]}", f"--address={proxy.address}/prod", "--tags=stable", *LOGIN
    )
    assert promoted.stdout.strip() == f"{proxy.address}/prod@sha256:{found[2]} stable"
    assert len(inspect(f"{proxy.address}/prod:sha256-{found[2]}")["manifests"]) == len(attached)


def holders(text: str, registry: Path, started: float) -> list[Path]:
    """Return files of the registry, and of the engine's store that are new, which hold a text."""
    store = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wheelhouse"
    found = subprocess.run(
        ["grep", "-rlaF", text, str(registry)], check=False, capture_output=True, text=True
    ).stdout.split()
    new = ["find", str(store), "-type", "f", "-newermt", f"@{int(started)}", "-size", "-64M", "-print0"]
    listed = subprocess.run(new, check=False, capture_output=True).stdout
    again = ["xargs", "-0", "-r", "grep", "-laF", text]
    found += subprocess.run(again, check=False, capture_output=True, input=listed).stdout.decode().split()
    # The repository's own checkout holds the word, where this test has it from.
    return [path for path in map(Path, found) if path.name != "registry_server.py"]


def test_a_dirty_tree_is_refused_before_anything_is_built(proxy: Proxy, clone: Path) -> None:
    """Uncommitted changes stop the publish with what to do; the registry is asked nothing."""
    (clone / "app/rag/__init__.py").write_text("# edited\n")
    done = call(clone, "publish", f"--address={proxy.address}/app", "--variants=api", *LOGIN)

    assert done.returncode == 1
    assert "the working tree has uncommitted changes" in done.stderr
    assert "--allow-dirty" in done.stderr
    assert proxy.seen == []


def test_an_image_that_no_scan_vouches_for_is_not_pushed(proxy: Proxy, clone: Path) -> None:
    """Offline the Debian packages go unjudged: the gate says so, and the registry is asked nothing."""
    done = call(clone, "publish", f"--address={proxy.address}/app", "--variants=api", "--offline", *LOGIN)

    assert done.returncode == 1
    assert "debian: skipped: no package source was asked" in done.stderr
    assert proxy.seen == []
