"""Models of servers that only the caller's machine reaches, through the command line."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.programs.models.hub_server import HubServer, serve
from tests.programs.models.tiny_model import COMMIT, safetensors
from tests.programs.oci.registry_server import Kind, installed, running

ROOT = Path(__file__).parents[2]
WHEELHOUSE = Path(sys.executable).with_name("wheelhouse")
WEIGHTS = "model.safetensors"
WRONG = "hf_canary_5b0e77"
PYPROJECT = f"""
[project]
name = "tiny"
version = "1"
[tool.wheelhouse]
command = ["python"]
packages = ["tiny"]
variants = {{ cpu = {{ models = ["tiny"] }}, gpu = {{ models = ["tiny"] }} }}
[tool.wheelhouse.models.tiny]
source = "hf://owner/tiny@{COMMIT}"
mirrors = [MIRRORS]
files = FILES
export = "hub"
licence = "LICENCE"
"""
pytestmark = [pytest.mark.engine, pytest.mark.slow]


@dataclass(frozen=True)
class Service:
    """A service whose one model has bytes that no earlier run can have left in a cache."""

    folder: Path
    files: dict[str, bytes]

    def declare(self, *mirrors: str, licence: str = "mit") -> None:
        """Write pyproject.toml and the lock of these very bytes."""
        sources = [f"hf://owner/tiny@{COMMIT}", *mirrors]
        declared = PYPROJECT.replace("[MIRRORS]", json.dumps(mirrors))
        declared = declared.replace("LICENCE", licence).replace("FILES", json.dumps(sorted(self.files)))
        (self.folder / "pyproject.toml").write_text(declared)
        lines = ["version = 1", "[models.tiny]", f"sources = {json.dumps(sources)}"]
        lines += [
            f'served_by = ""\nrevision = "{COMMIT}"\nlicence = "{licence}"\nexports = ["hub"]\nexporter = "1"'
        ]
        for name, data in self.files.items():
            lines += ["[[models.tiny.files]]", f'path = "{name}"', f"size_bytes = {len(data)}"]
            lines += [f'sha256 = "{hashlib.sha256(data).hexdigest()}"']
        (self.folder / "models.lock").write_text("\n".join(lines))

    def command(self, server: str, *words: str) -> list[str]:
        """Return `wheelhouse call … models …` with a server near the caller."""
        near = [
            f"--source={self.folder}",
            f"--models-server=tcp://{server}",
            f"--hf-endpoint=http://{server}",
        ]
        return [str(WHEELHOUSE), "--engine=embedded", "call", *near, *words]

    def models(self, server: str, *words: str, flags: tuple[str, ...] = ()) -> "Finished":
        """Make the models."""
        command = self.command(server, *flags, "models", *words)
        environment = {**os.environ, "WRONG_TOKEN": WRONG, "RIGHT_TOKEN": "hf_right"}
        return subprocess.run(
            command, check=False, capture_output=True, text=True, cwd=ROOT, env=environment, timeout=300
        )

    def given(self, folder: Path) -> dict[str, str]:
        """Return the sha256 of every file of the model made, by its name."""
        snapshot = folder / f"tiny/models--owner--tiny/snapshots/{COMMIT}"
        return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in snapshot.iterdir()}

    @property
    def expected(self) -> dict[str, str]:
        """Return the sha256 of every file of the model, by its name."""
        return {name: hashlib.sha256(data).hexdigest() for name, data in self.files.items()}


Finished = subprocess.CompletedProcess[str]


@pytest.fixture
def service(tmp_path: Path) -> Service:
    """Give a service with a model of 3 MB that is new to every cache."""
    folder = tmp_path / "service"
    folder.mkdir()
    configuration = json.dumps({"model_type": "bert", "run": uuid.uuid4().hex}).encode()
    made = Service(
        folder, {"config.json": configuration, WEIGHTS: safetensors(3_000_000, seed=time.time_ns())}
    )
    made.declare()
    return made


@pytest.fixture
def hub(service: Service) -> Iterator[HubServer]:
    """Serve the model as the hub does."""
    with serve(COMMIT) as server:
        server.files = dict(service.files)
        yield server


def address(hub: HubServer) -> str:
    """Return HOST:PORT."""
    return hub.url.removeprefix("http://")


def downloads(hub: HubServer) -> list[str]:
    """Return the Range of each request for the weights' bytes, "" for all of them."""
    return [headers.get("range", "") for path, headers in hub.requests if path == f"/cdn/{WEIGHTS}"]


def test_two_variants_share_one_download_of_a_troubled_hub(
    service: Service, hub: HubServer, tmp_path: Path
) -> None:
    """429, 503 and a cut later the bytes are the locked ones; speed is shown; gpu asks nobody again."""
    service.files.pop("config.json")
    service.declare()
    hub.faults = ["429", "503", "cut"]
    first = service.models(address(hub), "--variant=cpu", "-o", str(tmp_path / "cpu"))
    assert first.returncode == 0, first.stderr
    asked = len(hub.requests)
    second = service.models(address(hub), "--variant=gpu", "-o", str(tmp_path / "gpu"))

    assert second.returncode == 0, second.stderr
    assert service.given(tmp_path / "cpu") == service.given(tmp_path / "gpu") == service.expected
    assert "3.0 of 3.0 MB, " in first.stderr
    assert "MB/s" in first.stderr
    assert len(hub.requests) == asked
    *failed, last = downloads(hub)
    assert failed == ["", "", ""]
    assert last.startswith("bytes=1")


def test_killed_half_way_it_resumes(service: Service, hub: HubServer, tmp_path: Path) -> None:
    """After SIGKILL of the whole command the next one continues where the first was cut off."""
    hub.rate = 1_000_000
    command = service.command(address(hub), "models", "-o", str(tmp_path / "out"))
    with subprocess.Popen(
        command, cwd=ROOT, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as first:
        wait_for(lambda: hub.sent_bytes > 2_000_000)
        os.killpg(first.pid, signal.SIGKILL)
    hub.rate = None
    hub.requests.clear()

    done = service.models(address(hub), "-o", str(tmp_path / "out"))

    assert done.returncode == 0, done.stderr
    assert service.given(tmp_path / "out") == service.expected
    assert "continues after" in done.stderr
    assert all(int(start.removeprefix("bytes=").rstrip("-")) > 500_000 for start in downloads(hub))


def test_flipped_byte_is_refused(service: Service, hub: HubServer) -> None:
    """Other bytes than the locked ones end the call with both hashes, and nothing is made."""
    data = hub.files[WEIGHTS]
    hub.files[WEIGHTS] = data[:-1] + bytes([data[-1] ^ 1])

    done = service.models(address(hub))

    assert done.returncode == 1
    assert f"sha256 {hashlib.sha256(hub.files[WEIGHTS]).hexdigest()}" in done.stderr
    assert f"expected {service.expected[WEIGHTS]}" in done.stderr


def test_licence_off_the_list_is_named_before_any_request(service: Service, hub: HubServer) -> None:
    """A model whose licence the service does not allow stops the call with the licence's name."""
    service.declare(licence="agpl-3.0")
    done = service.models(address(hub))

    assert (done.returncode, hub.requests) == (1, [])
    assert "'agpl-3.0'" in done.stderr


def test_gated_repository_wants_the_right_token_and_never_shows_it(service: Service, hub: HubServer) -> None:
    """Without a token it says how to pass one; a wrong one is refused unseen; the right one opens."""
    hub.token = "hf_right"  # noqa: S105 - of a server that lives for one test
    without = service.models(address(hub))
    wrong = service.models(address(hub), flags=("--hf-token=env://WRONG_TOKEN",))
    right = service.models(address(hub), flags=("--hf-token=env://RIGHT_TOKEN",))

    assert "then pass --hf-token=env://HF_TOKEN" in without.stderr
    assert "the token given does not open owner/tiny" in wrong.stderr
    assert WRONG not in wrong.stderr + wrong.stdout
    assert (without.returncode, wrong.returncode, right.returncode) == (1, 1, 0), right.stderr


def test_registry_serves_the_same_bytes(service: Service, tmp_path: Path) -> None:
    """An artifact of a registry stands in for a hub that is not there."""
    if not installed():
        pytest.skip("needs docker-registry")
    (tmp_path / "registry").mkdir()
    with running(tmp_path / "registry", Kind()) as registry:
        service.declare(pushed(registry, service.files))
        done = service.models(registry, "-o", str(tmp_path / "out"))

    assert done.returncode == 0, done.stderr
    assert "from oci://" in done.stderr
    assert service.given(tmp_path / "out") == service.expected


def test_web_server_serves_the_same_bytes(service: Service, hub: HubServer, tmp_path: Path) -> None:
    """A folder on a web server stands in for a repository that the hub lacks."""
    hub.repository, hub.commit = "owner/other", "f" * 40
    service.declare(f"{hub.url}/cdn")

    done = service.models(address(hub), "-o", str(tmp_path / "out"))

    assert done.returncode == 0, done.stderr
    assert "no commit" in done.stderr
    assert service.given(tmp_path / "out") == service.expected


def pushed(registry: str, files: dict[str, bytes]) -> str:
    """Store files as an artifact; return its oci:// address."""
    layers = [
        {
            "mediaType": "application/octet-stream",
            "digest": blob(registry, data),
            "size": len(data),
            "annotations": {"org.opencontainers.image.title": name},
        }
        for name, data in files.items()
    ]
    kind = "application/vnd.oci.image.manifest.v1+json"
    empty = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": blob(registry, b"{}"), "size": 2}
    manifest = {"schemaVersion": 2, "mediaType": kind, "config": empty, "layers": layers}
    body = json.dumps(manifest).encode()
    url = f"http://{registry}/v2/models/tiny/manifests/1"
    request = urllib.request.Request(url, body, {"Content-Type": kind}, method="PUT")
    urllib.request.urlopen(request).close()
    return f"oci://{registry}/models/tiny@sha256:{hashlib.sha256(body).hexdigest()}"


def blob(registry: str, data: bytes) -> str:
    """Store a blob; return its digest."""
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    start = urllib.request.Request(f"http://{registry}/v2/models/tiny/blobs/uploads/", b"", method="POST")
    with urllib.request.urlopen(start) as answer:
        place = answer.headers["Location"]
    headers = {"Content-Type": "application/octet-stream"}
    put = urllib.request.Request(f"{place}&digest={digest}", data, headers, method="PUT")
    urllib.request.urlopen(put).close()
    return digest


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until a condition is true, at most ten minutes."""
    end = time.monotonic() + 600
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)
