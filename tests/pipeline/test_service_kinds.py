"""Services that are not web services, and one that asks its surroundings, built and checked."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

SERVICES = Path(__file__).parents[1] / "assets/services"
ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.engine, pytest.mark.slow]

CHECKS = {
    "ticker": ["start", "ready", "SIGTERM ends it", "restart"],
    "echo": [
        *("start", "ready", "answers", "concurrent connections", "malformed requests"),
        *("SIGTERM ends it", "restart"),
    ],
    "greeter": [
        *("start", "ready", "answers", "concurrent connections", "malformed requests"),
        *("SIGTERM ends it", "restart"),
    ],
}


def call(service: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `wheelhouse call` on a service."""
    command = [sys.executable, "-m", "wheelhouse_engine", "--engine=embedded", "call"]
    command += ["--source", str(SERVICES / service), *words]
    return subprocess.run(
        command, check=False, capture_output=True, text=True, cwd=ROOT, env=dict(os.environ)
    )


@pytest.mark.parametrize("service", CHECKS)
def test_a_service_without_http_is_tested_for_what_it_does(tmp_path, service):
    """A worker, a TCP server and a gRPC server start, are well, end on SIGTERM and start again."""
    result = call(service, "test", "--variant=api", "-o", str(tmp_path / "out"))

    assert result.returncode == 0, result.stderr
    suite = ET.parse(tmp_path / "out/http.xml").getroot()  # noqa: S314 - our own file
    assert [case.get("name") for case in suite] == CHECKS[service]
    assert suite.get("failures") == "0"


def test_a_worker_has_no_port_and_its_own_health_check():
    """`verify` says that nothing is exposed, and runs the command that the worker declares."""
    result = call("ticker", "verify", "--variant=api")

    assert result.returncode == 0, result.stderr
    assert 'port exposed                          none: protocol = "none"' in result.stdout
    assert "healthcheck present                   CMD python -m ticker.health" in result.stdout
    assert "exit status 1 with nothing listening, 0 with the service" in result.stdout


def test_programs_data_locale_and_shell_work_as_in_the_slim_image():
    """Declared packages run with their data; libraries, locale, zones, version and data files are found."""
    result = call("gadget", "build", "--variant=api", "with-exec", "--args=python,-m,gadget,facts", "stdout")

    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert found == {
        "hello": "Hello, world!",
        "file": "application/pdf",
        "shell": "2",
        "libraries": ["libc.so.6", "libmagic.so.1", None],
        "locale": "C.UTF-8",
        "zone": "Europe/Berlin",
        "type": "application/pdf",
        "version": "2.5",
        "data": ["model.bin", "test_prompt.py"],
        "home": True,
    }


def test_a_declared_shell_is_said_and_fails_no_promise():
    """`verify` passes an image with dash, and says why it is there."""
    result = call("gadget", "verify", "--variant=api")

    assert "passed   no shell                              dash as /bin/sh, declared by shell = true" in (
        result.stdout + result.stderr
    )
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("shell = true", "", "pyproject.toml:9: [tool.wheelhouse] command starts 'sh'; expected a program"),
        (
            'packages = ["gadget"]',
            'packages = ["gadgets"]',
            "which the source does not have, did you mean 'gadget'",
        ),
        (
            "port = 8088",
            "port = true",
            "pyproject.toml:12: [tool.wheelhouse] port = true; expected a whole number",
        ),
    ],
)
def test_wrong_values_stop_before_anything_is_built(tmp_path, old, new, message):
    """The error names file, line and key, and no container was started."""
    text = (SERVICES / "gadget/pyproject.toml").read_text()
    assert old in text
    (tmp_path / "gadget").mkdir()
    (tmp_path / "gadget/__init__.py").write_text("")
    (tmp_path / "pyproject.toml").write_text(text.replace(old, new))

    result = call(str(tmp_path), "build", "--variant=api")

    assert result.returncode == 1
    assert message in result.stderr
    assert " exec " not in result.stderr


LEDGER = """
import sqlite3
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        database = sqlite3.connect(f"{__file__.rpartition('/')[0]}/index/a.db")
        with database:
            database.execute("insert into a values (2)")
        count = str(database.execute("select count(*) from a").fetchone()[0]).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(count)

ThreadingHTTPServer(("", 8000), Handler).serve_forever()
"""


@pytest.mark.parametrize("declared", ["", 'writable = ["tiny/index"]\n'], ids=["undeclared", "declared"])
def test_a_service_that_changes_its_own_files_declares_them(tmp_path, declared):
    """A database baked into a package is written on a read-only root; undeclared, verify says what to do."""
    shutil.copytree(SERVICES / "tiny", tmp_path, dirs_exist_ok=True)
    (tmp_path / "tiny/__main__.py").write_text(LEDGER)
    (tmp_path / "tiny/index").mkdir()
    with closing(sqlite3.connect(tmp_path / "tiny/index/a.db")) as database, database:
        database.execute("create table a (b int)")
    config = (tmp_path / "pyproject.toml").read_text().replace('ready = "/ready"\n', declared)
    (tmp_path / "pyproject.toml").write_text(config)
    result = call(str(tmp_path), "verify", "--variant=api")

    if declared:
        assert result.returncode == 0, result.stderr
    else:
        assert "starts under restrictions" in result.stderr
        assert "Name the folder of the database in `writable` of [tool.wheelhouse]" in result.stderr
