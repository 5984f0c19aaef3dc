"""Services that break a promise only when they run, judged on the embedded engine."""

import json

import pytest

from tests.pipeline.sessions import run_session

pytestmark = [pytest.mark.engine, pytest.mark.slow]

BODY = """
sys.path.insert(0, str(ROOT))
from pipeline.builder import Builder
from pipeline.verify import Judged, _started
import textwrap
SERVER = textwrap.dedent('''
import http.server, os, sys
{extra}
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response({status}); self.end_headers()
    def log_message(self, *words): pass
http.server.HTTPServer(("0.0.0.0", 8000), Answer).serve_forever()
''').lstrip()
WITH_MODEL = "200 if os.path.exists('/models/m') else 503"
PROBE = "import socket; socket.create_connection(('127.0.0.1', 8000), 2)"
base = dag.container().from_(BASE)
found = {}
async def judge(name, extra="", status=WITH_MODEL, probe=PROBE, on="slim"):
    image = (
        base.with_new_file("/models/m", "x")
        .with_new_file("/srv/service.py", SERVER.replace("{extra}", extra).replace("{status}", status))
        .with_user("1001:1001")
        .with_default_args(["python3", "/srv/service.py"])
        .with_docker_healthcheck(["python3", "-c", probe])
    )
    facts = {"base": on, "port": 8000, "ready": "/", "models": ["m"]}
    judged = Judged(image=image, facts=facts, lock="", wheels=dag.directory(), models_lock="")
    found[name] = await _started(Builder(image=BASE), judged)
services = {
    "bare": {},
    "crashes": {"extra": "raise SystemExit(3)"},
    "writes": {"extra": "open('/srv/cache', 'w')"},
    "calls": {"extra": "import socket; socket.socket(2, 2).connect(('192.0.2.1', 9))"},
    "lies": {"status": "200"},
    "deaf": {"probe": "pass"},
    "ballast": {"on": "small"},
}
async with anyio.create_task_group() as group:
    for name, changes in services.items():
        group.start_soon(lambda name=name, changes=changes: judge(name, **changes))
(FOLDER / "found.json").write_text(json.dumps(found))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Judge seven services in one session; return the verdicts by service and promise."""
    folder = tmp_path_factory.mktemp("verify")
    result = run_session(folder, BODY)
    assert result.returncode == 0, result.stderr
    services = json.loads((folder / "found.json").read_text())
    return {name: {one["name"]: one for one in checks} for name, checks in services.items()}


def failed(checks: dict[str, dict[str, str]]) -> list[str]:
    """Return the names of the promises that are broken."""
    return [name for name, check in checks.items() if check["status"] == "failed"]


def test_bare_python_as_process_1_leaves_zombies(found):
    """Without an init all five orphans stay, and nothing else is wrong."""
    assert failed(found["bare"]) == ["process 1 reaps zombies"]
    assert found["bare"]["process 1 reaps zombies"]["found"] == "5 of 5 left"


@pytest.mark.parametrize(
    ("service", "message"),
    [("crashes", "exit status 3"), ("writes", "Read-only file system"), ("calls", "Network is unreachable")],
)
def test_a_service_that_cannot_start_confined_says_why(found, service, message):
    """A crash, a write to the root and a need of the network are told by the service's last lines."""
    assert failed(found[service]) == ["starts under restrictions"]
    assert message in found[service]["starts under restrictions"]["found"]


def test_a_service_that_is_ready_without_its_model_is_found_out(found):
    """A path that always answers 200 proves nothing."""
    assert "readiness needs the model" in failed(found["lies"])


def test_bytes_that_nobody_opens_are_found_out(found):
    """Most of a whole Debian is never opened: the share is told with the largest files of the rest."""
    checks = found["ballast"]

    assert failed(checks) == ["process 1 reaps zombies", "bytes opened at start"]
    assert "never: /usr/" in checks["bytes opened at start"]["found"]
    assert found["bare"]["bytes opened at start"]["status"] == "skipped"


def test_a_probe_that_never_fails_is_found_out(found):
    """A health probe must fail while nothing listens."""
    assert "healthcheck can fail" in failed(found["deaf"])


CRASHING = """
from pipeline.verify import _imports
crash = "#!/bin/sh\\necho importing >&2; kill -SEGV $$\\n"
image = dag.container().from_(BASE).with_new_file("/opt/venv/bin/python", crash, permissions=0o755)
print(json.dumps(await _imports(image)))
"""


def test_a_module_that_crashes_the_interpreter_is_a_broken_promise(tmp_path):
    """An end by a signal is an error of the exec itself; the other promises are judged all the same."""
    done = run_session(tmp_path, CRASHING)

    [check] = json.loads(done.stdout)
    assert (check["status"], check["found"]) == ("failed", "exit code 139; importing"), done.stderr
