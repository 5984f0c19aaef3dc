"""Give the whole way a registry that asks for a password, a clone of this repository, and keys."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
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
from tests.programs.scan.bucket import bucket

ROOT = Path(__file__).parents[2]
WHEELHOUSE = Path(sys.executable).with_name("wheelhouse")
LOGIN = (f"--username={USERNAME}", "--password=env://REGISTRY_PASSWORD")


@dataclass(frozen=True)
class Checkout:
    """A clone of this repository, as a user has one."""

    folder: Path
    bucket: str = ""
    """URL of a stand-in for OSV's bucket; "" where nothing is scanned."""

    @property
    def head(self) -> str:
        """Return the commit."""
        return self.git("rev-parse", "HEAD").strip()

    def git(self, *words: str) -> str:
        """Run git in the clone and return what it prints."""
        me = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
        command = ["git", "-C", str(self.folder), *me, *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def call(self, *words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        """Run `wheelhouse call` on the embedded engine, the registry's password in the environment."""
        call = [str(WHEELHOUSE), "--engine=embedded", "--progress=plain", "call"]
        return subprocess.run(
            [*call, f"--advisories-url={self.bucket}", *words],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=900,
            env=os.environ | {"REGISTRY_PASSWORD": PASSWORD} | environment,
        )

    def edit(self, path: str, line: str) -> None:
        """Append a line to a file and commit it."""
        with (self.folder / path).open("a") as file:
            file.write(f"{line}\n")
        self.git("commit", "--quiet", "--all", "--message", "edit")


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder that a registry keeps its data in."""
    return tmp_path_factory.mktemp("registry")


@pytest.fixture(scope="session")
def private_registry(home: Path) -> Iterator[str]:
    """Give the address of a registry that asks for a password."""
    if not installed() or shutil.which("buildah") is None or os.geteuid() != 0:
        pytest.skip("needs docker-registry, buildah and root")
    with running(home, Kind(private=True)) as address:
        yield address


@pytest.fixture
def proxy(private_registry: str) -> Iterator[Proxy]:
    """Give a proxy before that registry, which counts what goes through."""
    with proxy_before(private_registry) as made:
        yield made


@pytest.fixture(scope="module")
def one_proxy(private_registry: str) -> Iterator[Proxy]:
    """Give a proxy whose address lasts for a module: it is part of what is published."""
    with ExitStack() as stack:
        yield stack.enter_context(proxy_before(private_registry))


@pytest.fixture(scope="session")
def osv_bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the URL of a stand-in for OSV's bucket."""
    with bucket(tmp_path_factory.mktemp("bucket") / "files") as (url, _):
        yield url


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory, osv_bucket: str) -> Checkout:
    """Give a clone of this repository at its HEAD."""
    target = tmp_path_factory.mktemp("clones") / "clone"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(target)], check=True)
    return Checkout(target, osv_bucket)


def key_pair(folder: Path, name: str) -> Path:
    """Make a key pair `<name>.pem`, `<name>.pub` and return the private one's path."""
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


@contextmanager
def pulled(reference: str) -> Iterator[tuple[list[str], str]]:
    """Pull an image into a store of its own and run it without a network; give podman and its name."""
    if shutil.which("podman") is None:
        pytest.skip("needs podman")
    # podman refuses a runroot of more than 50 characters; crun of Debian 12 wants other control groups.
    folder = tempfile.mkdtemp(dir="/tmp")
    podman = ["podman", "--root", f"{folder}/s", "--runroot", f"{folder}/r", "--runtime", "runc"]
    login = ["--tls-verify=false", f"--creds={USERNAME}:{PASSWORD}"]
    limits = ["--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024", "--network=none"]
    try:
        subprocess.run([*podman, "pull", "--quiet", *login, reference], check=True, capture_output=True)
        run = [*podman, "run", "--detach", "--name", "app", *limits, reference]
        subprocess.run(run, check=True, capture_output=True)
        yield podman, "app"
    finally:
        for words in (["rm", "--force", "--time=2", "app"], ["rmi", "--all", "--force"]):
            subprocess.run([*podman, *words], check=False, capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)
