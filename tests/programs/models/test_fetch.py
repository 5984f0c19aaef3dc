"""Fetch: the locked bytes or nothing, from the first source that has them."""

import os
import signal
import subprocess
import time
from hashlib import sha256
from pathlib import Path

import pytest
from models.fetch import main

from tests.programs.models.hub_server import HubServer
from tests.programs.models.interpreter import Programs, program_environment
from tests.programs.models.tiny_model import FILES, Fetch, Lock, safetensors

pytestmark = pytest.mark.integration

RIGHT = "hf_right"


@pytest.fixture
def served(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> HubServer:
    """Serve the small model and point HF_ENDPOINT at it."""
    hub.files = dict(FILES)
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    return hub


def test_hub_gives_the_locked_bytes(served: HubServer, lock: Lock, fetch: Fetch, tmp_path: Path) -> None:
    """Every locked file arrives unchanged through the hub's redirect."""
    assert fetch(lock.write(FILES, served.source)) == 0

    assert {name: (tmp_path / "out" / name).read_bytes() for name in FILES} == FILES


def test_files_are_0644_and_directories_0755(
    served: HubServer, lock: Lock, fetch: Fetch, tmp_path: Path
) -> None:
    """Modes do not depend on the umask."""
    old = os.umask(0o077)
    try:
        fetch(lock.write(FILES, served.source))
    finally:
        os.umask(old)

    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o755
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "out").iterdir()} == {0o644}


@pytest.mark.parametrize("fault", ["408", "429", "500", "502", "503", "504", "cut", "truncate", "stall"])
def test_passing_troubles_are_survived(served: HubServer, lock: Lock, fetch: Fetch, fault: str) -> None:
    """Three passing faults of one kind in a row do not stop a fetch."""
    served.faults = [fault] * 3

    assert fetch(lock.write(FILES, served.source)) == 0


@pytest.mark.parametrize(
    "trouble", [("503", "HTTP 503"), ("429", "HTTP 429"), ("stall", "stalled for 0.5 s")]
)
def test_trouble_that_stays_ends_in_one_error(
    served: HubServer,
    lock: Lock,
    fetch: Fetch,
    capsys: pytest.CaptureFixture[str],
    trouble: tuple[str, str],
) -> None:
    """When every source fails, one error names each with its reason, and nothing is in out."""
    fault, reason = trouble
    served.faults = [fault] * 99
    web = "https://127.0.0.1:9/models"

    assert fetch(lock.write({"config.json": FILES["config.json"]}, served.source, web)) == 1
    last = capsys.readouterr().err.split("error: ")[-1]
    assert f"{served.source}: " in last
    assert reason in last
    assert f"{web}: " in last
    assert not (lock.path.parent / "out").exists()


def test_truncated_file_is_refused(
    served: HubServer, lock: Lock, fetch: Fetch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A server whose file ends early is asked again, then refused with both sizes."""
    data = FILES["model.safetensors"]
    path = lock.write(FILES, served.source)
    served.files["model.safetensors"] = data[:2000]

    assert fetch(path) == 1
    assert f"2000 of {len(data)} bytes" in capsys.readouterr().err


@pytest.mark.parametrize("status", ["401", "403", "404"])
def test_final_answers_are_not_tried_again(served: HubServer, lock: Lock, fetch: Fetch, status: str) -> None:
    """401, 403 and 404 are asked for once per file."""
    served.faults = [status] * 99

    assert fetch(lock.write({"config.json": FILES["config.json"]}, served.source)) == 1
    assert len([path for path, _ in served.requests if path.startswith("/cdn/")]) == 1


def test_next_source_serves_when_the_first_has_other_bytes(
    served: HubServer, lock: Lock, fetch: Fetch, tmp_path: Path
) -> None:
    """A source with other bytes is passed over; the first with the locked sha256 wins."""
    served.files["config.json"] = b'{"model_type": "evil"}'
    service = tmp_path / "service" / "weights"
    service.mkdir(parents=True)
    for name, data in FILES.items():
        (service / name).write_bytes(data)

    assert fetch(lock.write(FILES, served.source, "dir://weights"), "--service", service.parent) == 0
    assert (tmp_path / "out" / "config.json").read_bytes() == FILES["config.json"]


def test_flipped_byte_is_refused(
    served: HubServer, lock: Lock, fetch: Fetch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One flipped bit stops the fetch and names both hashes."""
    data = FILES["model.safetensors"]
    served.files["model.safetensors"] = data[:-1] + bytes([data[-1] ^ 1])

    assert fetch(lock.write(FILES, served.source)) == 1
    assert f"expected {sha256(data).hexdigest()}" in capsys.readouterr().err


def test_longer_file_is_refused(served: HubServer, lock: Lock, fetch: Fetch) -> None:
    """A file longer than the lock says is cut off, not downloaded to its end."""
    path = lock.write(FILES, served.source)
    served.files["config.json"] = FILES["config.json"] + b" "

    assert fetch(path) == 1


def test_gated_repository_without_token_says_how_to_pass_it(
    served: HubServer, lock: Lock, fetch: Fetch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A gated repository asks for --hf-token."""
    served.token = RIGHT

    assert fetch(lock.write(FILES, served.source)) == 1
    assert "--hf-token=env://HF_TOKEN" in capsys.readouterr().err


def test_wrong_token_is_never_printed(
    served: HubServer,
    lock: Lock,
    fetch: Fetch,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A refused token is said to be refused, and appears nowhere."""
    served.token = RIGHT
    monkeypatch.setenv("HF_TOKEN", "hf_secret_canary")

    assert fetch(lock.write(FILES, served.source)) == 1
    printed = "".join(capsys.readouterr())
    assert "the token given does not open" in printed
    assert "canary" not in printed


def test_token_stays_with_the_hub(
    served: HubServer, lock: Lock, fetch: Fetch, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The token, here from a file, opens the hub and does not follow a redirect to another host."""
    served.token = RIGHT
    (tmp_path / "token").write_text(f"{RIGHT}\n")
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "token"))

    assert fetch(lock.write(FILES, served.source)) == 0
    elsewhere = [headers for path, headers in served.requests if path.startswith("/cdn/")]
    assert all("authorization" not in headers for headers in elsewhere)


def test_loopback_may_mean_the_callers_machine(
    served: HubServer, lock: Lock, fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a server near the caller has another name in here, sources and redirects go to that name."""
    monkeypatch.setenv("WHEELHOUSE_NEAR", "127.0.0.2")

    assert fetch(lock.write({"config.json": FILES["config.json"]}, served.source)) == 1
    assert served.requests == []


@pytest.mark.usefixtures("served")
def test_unknown_revision_is_named(lock: Lock, fetch: Fetch, capsys: pytest.CaptureFixture[str]) -> None:
    """A commit that the repository lacks is named."""
    assert fetch(lock.write(FILES, f"hf://owner/tiny@{'f' * 40}")) == 1
    assert f"no commit {'f' * 40}" in capsys.readouterr().err


def test_second_run_asks_nobody(served: HubServer, lock: Lock, fetch: Fetch, tmp_path: Path) -> None:
    """With --cache, two variants share one download."""
    path = lock.write(FILES, served.source)
    fetch(path, "--cache", tmp_path / "cache")
    served.requests.clear()

    assert fetch(path, "--cache", tmp_path / "cache") == 0
    assert served.requests == []


def test_spoilt_cache_is_not_believed(served: HubServer, lock: Lock, fetch: Fetch, tmp_path: Path) -> None:
    """A cached file with a flipped byte is thrown away and fetched again."""
    path = lock.write(FILES, served.source)
    fetch(path, "--cache", tmp_path / "cache")
    blob = tmp_path / "cache" / "blobs" / sha256(FILES["config.json"]).hexdigest()
    blob.write_bytes(b"x" + FILES["config.json"][1:])

    assert fetch(path, "--cache", tmp_path / "cache") == 0
    assert (tmp_path / "out" / "config.json").read_bytes() == FILES["config.json"]


def test_killed_fetch_resumes(served: HubServer, lock: Lock, programs: Programs, tmp_path: Path) -> None:
    """After a kill half-way, not one byte comes twice."""
    data = safetensors(4_000_000)
    served.files = {"model.safetensors": data}
    served.rate = 2_000_000
    where = ["--lock", lock.write(served.files, served.source), "--model", "tiny", "--out", tmp_path / "out"]
    command = [programs.python, "-m", "models.fetch", *where, "--cache", tmp_path / "cache"]
    environment = program_environment(HF_ENDPOINT=served.url)
    with subprocess.Popen(list(map(str, command)), env=environment, stderr=subprocess.DEVNULL) as first:
        partial = tmp_path / "cache" / "partial" / sha256(data).hexdigest()
        while not partial.exists() or partial.stat().st_size < len(data) // 2:
            time.sleep(0.02)
        first.send_signal(signal.SIGKILL)
    kept, served.rate = partial.stat().st_size, None

    done = programs.run(*command[1:], HF_ENDPOINT=served.url)
    assert done.returncode == 0, done.stderr
    assert served.requests[-1][1]["range"] == f"bytes={kept}-"
    assert "continues after" in done.stderr


def test_full_disk_is_named_before_the_download(
    served: HubServer, lock: Lock, fetch: Fetch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A model that cannot fit says how much it needs and how much is free."""
    path = lock.write({"config.json": FILES["config.json"]}, served.source)
    path.write_text(
        path.read_text().replace(f"size_bytes = {len(FILES['config.json'])}", f"size_bytes = {10**18}")
    )

    assert fetch(path) == 1
    assert "MB free" in capsys.readouterr().err
    assert served.requests == []


def test_progress_shows_bytes_and_speed(
    served: HubServer, lock: Lock, fetch: Fetch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A fetch tells megabytes and megabytes per second on stderr."""
    fetch(lock.write(FILES, served.source))

    assert "MB, " in (printed := capsys.readouterr()).err
    assert "MB/s" in printed.err
    assert printed.out == ""


def test_weights_directory_is_asked_first(lock: Lock, fetch: Fetch, tmp_path: Path) -> None:
    """An air-gapped site hands the files over, in a folder named like the model or not."""
    (tmp_path / "weights" / "tiny").mkdir(parents=True)
    for name, data in FILES.items():
        (tmp_path / "weights" / "tiny" / name).write_bytes(data)

    assert fetch(lock.write(FILES, "https://127.0.0.1:9/m"), "--weights", tmp_path / "weights") == 0


def test_licence_off_the_list_stops(
    served: HubServer, lock: Lock, fetch: Fetch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A licence that is not on the allow-list stops with its name before any download."""
    assert fetch(lock.write(FILES, served.source, licence="agpl-3.0")) == 1
    assert "'agpl-3.0'" in capsys.readouterr().err
    assert served.requests == []


def test_unknown_model_names_those_locked(lock: Lock, capsys: pytest.CaptureFixture[str]) -> None:
    """Asking for a model that is not locked lists those that are."""
    path = lock.write(FILES, "dir://x")

    assert main(["--lock", str(path), "--model", "nope", "--out", "/nonexistent"]) == 1
    assert "it has tiny" in capsys.readouterr().err
