"""Credentials are found, kept to their registry, and never shown."""

import base64
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from oci.content import Blob, Layout
from oci.credentials import Credentials, find_credentials
from oci.errors import RefusedError, RegistryError
from oci.references import RepositoryName, split_reference
from oci.repository import Repository

from tests.programs.oci.registry_server import PASSWORD, USERNAME, Fault, Proxy, proxy_before

pytestmark = pytest.mark.integration

PROGRAMS = Path(__file__).parents[3] / "pipeline" / "programs"
Start = Callable[..., tuple[str, Path]]
Open = Callable[..., Repository]
BLOB = Blob.of(b"content")
LOGIN = Credentials(USERNAME, PASSWORD)


@pytest.fixture(scope="session")
def private(start_registry: Start) -> str:
    """Give a registry that asks for a login."""
    return start_registry(private=True)[0]


def config(folder: Path, document: Any) -> dict[str, str]:
    """Write a docker config.json and return the environment that names it."""
    (folder / "config.json").write_text(json.dumps(document))
    return {"DOCKER_CONFIG": str(folder), "HOME": str(folder), "PATH": f"{folder}:{os.environ['PATH']}"}


def helper(folder: Path, body: str) -> None:
    """Write a credential helper named `test`."""
    path = folder / "docker-credential-test"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def test_a_login_is_used(private: str, open_repository: Open) -> None:
    """With the right login a private registry takes a push."""
    assert open_repository(f"{private}/app", credentials=LOGIN).push_blob(BLOB)


@pytest.mark.parametrize("credentials", [None, Credentials(USERNAME, "canary-wrong")])
def test_a_wrong_login_is_refused_once(
    private: str, open_repository: Open, credentials: Credentials | None
) -> None:
    """Without login or with a wrong one the error says what to do, at once and without the password."""
    with proxy_before(private) as proxy, pytest.raises(RefusedError, match="--username") as refused:
        open_repository(f"{proxy.address}/app", credentials=credentials).push_blob(BLOB)
    assert len(proxy.seen) <= 2
    assert "canary" not in str(refused.value)


def test_a_login_in_config_json_is_used(
    private: str, open_repository: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What `docker login` left is enough to push."""
    packed = base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()
    for name, value in config(tmp_path, {"auths": {private: {"auth": packed}}}).items():
        monkeypatch.setenv(name, value)
    assert open_repository(f"{private}/by-config").push_blob(BLOB)


def test_a_helper_goes_before_auths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CredHelpers names the program that knows; it is asked on stdin."""
    environment = config(
        tmp_path, {"credHelpers": {"ghcr.io": "test"}, "auths": {"ghcr.io": {"auth": "YTpi"}}}
    )
    helper(tmp_path, 'read host; echo "{\\"Username\\":\\"$host\\",\\"Secret\\":\\"s\\"}"')
    monkeypatch.setenv("PATH", environment["PATH"])
    assert find_credentials("ghcr.io", environment) == Credentials("ghcr.io", "s")
    assert find_credentials("quay.io", environment) is None


def test_a_store_that_knows_nothing_is_no_login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CredsStore that answers "credentials not found" means none, as with docker."""
    environment = config(tmp_path, {"credsStore": "test"})
    monkeypatch.setenv("PATH", environment["PATH"])
    helper(tmp_path, "echo credentials not found in native keychain; exit 1")
    assert find_credentials("ghcr.io", environment) is None


@pytest.mark.parametrize(
    ("document", "body", "said"),
    [
        ({"credsStore": "test"}, "echo locked >&2; exit 3", "ended with 3: locked"),
        ({"credsStore": "absent"}, "true", "docker-credential-absent is not installed"),
        ({"credsStore": "test"}, "echo locked", "printed no JSON with Username and Secret"),
    ],
)
def test_a_helper_that_fails_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, document: Any, body: str, said: str
) -> None:
    """A broken or absent helper is an error that names it, not a silent push without login."""
    environment = config(tmp_path, document)
    monkeypatch.setenv("PATH", environment["PATH"])
    helper(tmp_path, body)
    with pytest.raises(RegistryError, match=said):
        find_credentials("ghcr.io", environment)


def test_junk_in_config_json_is_named(tmp_path: Path) -> None:
    """A config.json that is not JSON is an error with its path."""
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(RegistryError, match=r"config\.json: not JSON"):
        find_credentials("ghcr.io", {"DOCKER_CONFIG": str(tmp_path)})


def test_tls_needs_a_trusted_certificate(start_registry: Start, open_repository: Open) -> None:
    """A certificate of an unknown authority is refused; with --ca-file the push is done over TLS."""
    address, home = start_registry(tls=True)
    with pytest.raises(RegistryError, match="not trusted"):
        open_repository(f"{address}/app", ca_file="/etc/ssl/certs/ca-certificates.crt").push_blob(BLOB)
    assert open_repository(f"{address}/app", ca_file=str(home / "ca.pem")).push_blob(BLOB)


def test_plain_http_only_on_loopback_or_when_said(open_repository: Open) -> None:
    """A registry elsewhere is spoken to with TLS unless --insecure says otherwise."""
    assert open_repository("registry.test/app").transport.base == "https://registry.test"
    assert open_repository("registry.test/app", insecure=True).transport.base == "http://registry.test"
    for address in ("127.0.0.1:5000/app", "localhost:5000/app", "localhost/app"):
        assert open_repository(address).transport.base.startswith("http://")
    assert open_repository("127.0.0.1.evil.test/app").transport.base.startswith("https://")


def test_the_password_is_in_no_process_list_and_no_output(
    private: str, make_layout: Callable[..., Layout], tmp_path: Path
) -> None:
    """While a push runs no argument list or environment holds the password, and no output does after it."""
    image = {"name": "cpu", "layout": str(make_layout(b"canary").folder), "moving": ["latest"]}
    (tmp_path / "password").write_text(PASSWORD + "\n")
    seen: list[bytes] = []
    with proxy_before(private) as proxy:
        proxy.fault = lambda _method, _path: Fault(wait_s=0.05)
        (tmp_path / "plan.json").write_text(
            json.dumps({"repository": f"{proxy.address}/canary", "images": [image]})
        )
        words = ["push", "--plan", str(tmp_path / "plan.json"), "--username", USERNAME]
        process = subprocess.Popen(
            [sys.executable, "-m", "oci", *words, "--password-file", str(tmp_path / "password")],
            env={"PYTHONPATH": str(PROGRAMS), "PATH": os.environ["PATH"]},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        watcher = threading.Thread(target=_watch, args=(process, seen))
        watcher.start()
        printed = b"".join(process.communicate(timeout=60))
        watcher.join()
    assert process.returncode == 0, printed
    assert any(b"--password-file" in text for text in seen)
    secret = PASSWORD.encode()
    for form in (secret, base64.b64encode(f"{USERNAME}:".encode() + secret)):
        assert form not in printed
        assert not any(form in text for text in seen)


def _watch(process: subprocess.Popen[bytes], seen: list[bytes]) -> None:
    """Collect argument list and environment of the process while it runs."""
    while process.poll() is None:
        for name in ("cmdline", "environ"):
            try:
                seen.append(Path(f"/proc/{process.pid}/{name}").read_bytes())
            except OSError:
                return
        time.sleep(0.02)


def test_errors_never_show_credentials() -> None:
    """The text of credentials hides both parts."""
    assert "canary" not in repr(Credentials("canary-user", "canary-pass"))


@pytest.mark.parametrize("text", ["app:v1", "ghcr.io/App", "ghcr.io/", "", "ghcr.io/a//b", "a@sha256:00"])
def test_malformed_repositories_are_refused(text: str) -> None:
    """Capitals, tags and empty parts are refused with an example."""
    with pytest.raises(RegistryError, match="expected HOST/PATH"):
        RepositoryName.parse(text)


def test_short_names_are_dockers() -> None:
    """Docker Hub's short names are understood; a first word with a dot or port is a host."""
    assert str(RepositoryName.parse("redis")) == "docker.io/library/redis"
    assert str(RepositoryName.parse("me/app")) == "docker.io/me/app"
    name, tag = split_reference("localhost:5000/app:v1")
    assert (str(name), tag) == ("localhost:5000/app", "v1")


def test_a_proxy_fixture_counts(proxy: Proxy, open_repository: Open) -> None:
    """The proxy that other tests measure with sees every byte of a push."""
    open_repository(f"{proxy.address}/counted").push_blob(Blob.of(b"x" * 12345))
    assert sum(proxy.sent) == 12345
