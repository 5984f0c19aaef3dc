"""Starting a command again and again measures it, and never calls a failure a start."""

import argparse
import socket
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

sys.path.insert(0, str(Path(__file__).parents[2] / "pipeline" / "programs"))
SERVER = (
    "import http.server,sys,time\n"
    "class H(http.server.BaseHTTPRequestHandler):\n"
    "  def do_GET(self):\n"
    "    self.send_response(200 if self.path=='/ready' else 404); self.end_headers()\n"
    "  def log_message(self,*a): pass\n"
    "time.sleep(0.2)\n"
    "http.server.HTTPServer(('127.0.0.1',int(sys.argv[1])),H).serve_forever()\n"
)


def measure(program: str, *, ready: str = "/ready", embed: bool = False):
    """Return what two starts of a Python program take."""
    from start_times import measured  # noqa: PLC0415 - found once sys.path is set

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-c", program, str(port)]
    return measured(argparse.Namespace(runs=2, port=port, ready=ready, embed=embed, command=command))


def test_each_start_has_seconds_and_memory():
    """A server that needs 0.2 s to listen is not ready sooner; an interpreter has some megabytes."""
    found = measure(SERVER)

    assert found["failure"] == ""
    assert all(0.2 <= run["ready_s"] < 10 and 3e6 < run["peak_bytes"] < 1e9 for run in found["starts"])


def test_a_command_that_ends_is_a_failure():
    """The exit code is named and nothing is counted."""
    found = measure("raise SystemExit(7)")

    assert found["starts"] == []
    assert "ended with exit code 7 before it was ready" in found["failure"]


def test_a_path_that_never_answers_200_is_a_failure(monkeypatch):
    """An answer other than 200 is not readiness."""
    monkeypatch.setattr("start_times.WITHIN_S", 1)

    assert "answered 404 for 1 s, 200 expected" in measure(SERVER, ready="/no")["failure"]


@pytest.mark.parametrize("embed", [True])
def test_a_service_without_embeddings_is_a_failure(embed):
    """Asked for the first embedding, a service that has none is not measured as if it had."""
    assert "/v1/embeddings answered 501" in measure(SERVER, embed=embed)["failure"]
