"""Give a service under its supervisor, as the image runs it, and the checks' verdict on it."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

ROOT = Path(__file__).parents[3]
PROGRAMS = ROOT / "pipeline" / "programs"
SERVICE = ROOT / "tests" / "assets" / "services" / "embedder"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Hold what a run of the checks left behind."""

    exit_code: int
    failures: dict[str, str]
    """Name of a failed check -> what is wrong."""
    passed: list[str]
    skipped: list[str]
    service_log: str


def free_port() -> int:
    """Find a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def supervised(port: int, *command: str, probe: Sequence[str] = (), **environ: str) -> Iterator[str]:
    """Run a command under the supervisor; give the supervisor's address."""
    control = free_port()
    words = [sys.executable, str(PROGRAMS / "supervise.py"), "--port", str(control)]
    words += ["--probe", json.dumps(probe), "--", *command]
    env = {**os.environ, "PORT": str(port), **environ}
    with subprocess.Popen(words, env=env, cwd=SERVICE, stdout=subprocess.DEVNULL) as process:
        address = f"http://127.0.0.1:{control}"
        try:
            _until_open(control)
            yield address
            urllib.request.urlopen(f"{address}/kill", data=b"").close()
        finally:
            process.terminate()


@pytest.fixture
def judge(tmp_path: Path) -> Callable[..., Verdict]:
    """Give a function that starts the service with a fault and returns the verdict."""

    def run(fault: str = "", seconds: float = 60, *, reference: bool = True) -> Verdict:
        port, host = free_port(), _own_address() if fault == "listens on loopback" else "127.0.0.1"
        (tmp_path / "reference.json").write_text(json.dumps(_reference()))
        command = [sys.executable, "-m", "service_check", "--base", f"http://{host}:{port}"]
        command += ["--health", "/health", "--ready", "/health", "--out", str(tmp_path)]
        command += ["--reference", str(tmp_path / "reference.json")] if reference else []
        with supervised(port, sys.executable, "-m", "embedder", FAULT=fault) as address:
            command += ["--supervisor", address, "--seconds", str(seconds)]
            env = {"PYTHONPATH": str(PROGRAMS), "PATH": os.environ["PATH"]}
            code = subprocess.run(command, check=False, env=env, capture_output=True).returncode
        return _verdict(code, tmp_path)

    return run


@pytest.fixture
def judge_plain(tmp_path: Path) -> Callable[..., Verdict]:
    """Give a function that starts a program without HTTP, its port in PORT, and returns the verdict."""

    def run(protocol: str, program: str, probe: str = "", seconds: float = 60) -> Verdict:
        port = free_port()
        command = [sys.executable, "-m", "service_check", "--base", f"http://127.0.0.1:{port}"]
        command += ["--health", "", "--ready", "", "--out", str(tmp_path), "--protocol", protocol]
        command += ["--probe"] if probe else []
        health = [sys.executable, "-c", probe] if probe else []
        with supervised(port, sys.executable, "-u", "-c", program, probe=health) as address:
            command += ["--supervisor", address, "--seconds", str(seconds)]
            env = {"PYTHONPATH": str(PROGRAMS), "PATH": os.environ["PATH"]}
            code = subprocess.run(command, check=False, env=env, capture_output=True).returncode
        return _verdict(code, tmp_path)

    return run


def _verdict(code: int, out: Path) -> Verdict:
    cases = list(ET.parse(out / "http.xml").getroot())  # noqa: S314 - our own file
    failed = {
        str(case.get("name")): str(one.get("message")) for case in cases for one in case.iter("failure")
    }
    skipped = [str(case.get("name")) for case in cases if case.find("skipped") is not None]
    names = [str(case.get("name")) for case in cases]
    passed = [name for name in names if name not in failed and name not in skipped]
    return Verdict(code, failed, passed, skipped, (out / "service.log").read_text())


def _reference() -> dict[str, object]:
    """Return what the service's letters must become, written out by hand for two texts."""
    return {
        "items": [
            {"text": "aaa", "embedding": [4 / 18**0.5, 1 / 18**0.5, 1 / 18**0.5]},
            {"text": "b", "embedding": [1 / 3**0.5] * 3},
            {"text": "eei", "embedding": [1 / 14**0.5, 3 / 14**0.5, 2 / 14**0.5]},
        ]
    }


def _own_address() -> str:
    """Return an address of this machine that is not 127.0.0.1."""
    return "127.0.0.2"


def _until_open(port: int) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError("the supervisor does not listen")
