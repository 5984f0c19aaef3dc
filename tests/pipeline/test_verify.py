"""Services that break a promise only when they run, judged on the embedded engine."""

import json

import pytest

from tests.pipeline.sessions import run_session

pytestmark = [pytest.mark.engine, pytest.mark.slow]

BODY = """
sys.path.insert(0, str(ROOT))
from pipeline.containers import Builder
from pipeline.check.verify import VerifyInput, _started
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
SHARED = "import multiprocessing, socket; multiprocessing.Lock(); socket.gethostbyname(socket.gethostname())"
HANDLER = "http.server.BaseHTTPRequestHandler"
FETCH = f"import urllib.request as u; {HANDLER}.do_POST = lambda self: u.urlopen('http://192.0.2.1/m')"
REQUEST = {"method": "", "body": None, "headers": {}, "status": 200, "contains": "", "timeout": 9}
PROBE = "import socket; socket.create_connection(('127.0.0.1', 8000), 2)"
SLOW = PROBE + "; import os; done = os.path.exists('/tmp/asked'); open('/tmp/asked', 'w'); exit(not done)"
base = dag.container().from_(BASE)
found = {}
async def judge(name, extra="", status=WITH_MODEL, probe=PROBE, command=None, probe_request=None, **facts):
    image = (
        base.with_new_file("/models/m", "x")
        .with_new_file("/srv/service.py", SERVER.replace("{extra}", extra).replace("{status}", status))
        .with_user("1001:1001")
        .with_default_args(command or ["python3", "/srv/service.py"])
        .with_docker_healthcheck(["python3", "-c", probe])
    )
    facts |= {"probe": {**REQUEST, **probe_request}} if probe_request else {}
    facts = {"base": "slim", "port": 8000, "ready": "/", "models": ["m"], **facts}
    judged = VerifyInput(image=image, facts=facts, lock="", wheels=dag.directory(), models_lock="")
    found[name] = await _started(Builder(image=BASE), judged)
services = {
    "bare": {},
    "crashes": {"extra": "raise SystemExit(3)"},
    "writes": {"extra": "open('/srv/cache', 'w')"},
    "calls": {"extra": "import socket; socket.socket(2, 2).connect(('192.0.2.1', 9))"},
    "lies": {"status": "200"},
    "own": {"extra": "import os; assert os.getuid() == 1001, (os.getuid(), os.getgid())"},
    "broad": {"extra": "import os; assert len(os.sched_getaffinity(0)) > 1, 'one processor'"},
    "asked": {"probe_request": {"path": "/x"}},
    "fetches": {"extra": FETCH, "probe_request": {"path": "/x", "body": {"text": "hi"}}},
    "deaf": {"probe": "pass"},
    "slow": {"probe": SLOW},
    "sick": {"probe": PROBE + "; raise TimeoutError('timed out')"},
    "ballast": {"base": "small", "budget_unopened_mb": 10},
    "lazy": {"base": "small"},
    "typo": {"command": ["gunicorm", "app:app"]},
    "forgets": {"extra": "import missing_module"},
    "needs": {"extra": "os.environ['DATABASE_URL']"},
    "shared": {"extra": SHARED},
}
async with anyio.create_task_group() as group:
    for name, changes in services.items():
        group.start_soon(lambda name=name, changes=changes: judge(name, **changes))
(FOLDER / "found.json").write_text(json.dumps(found))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Judge all services in one session; return the verdicts by service and promise."""
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
    ("service", "message", "do"),
    [
        ("crashes", "exit status 3", "Fix what its last lines say"),
        ("writes", "Read-only file system", "Write below /tmp only: /srv/cache is read-only"),
        ("calls", "Network is unreachable", "Fetch nothing at start"),
        ("typo", "exec gunicorm failed", "Fix `command` of [tool.wheelhouse] of pyproject.toml"),
        ("forgets", "No module named 'missing_module'", "lock the package that has it"),
        ("needs", "KeyError: 'DATABASE_URL'", "[tool.wheelhouse.env]"),
    ],
)
def test_a_service_that_cannot_start_confined_says_why(found, service, message, do):
    """The service's last lines tell what is wrong, and the advice fits the cause."""
    checks = found[service]

    assert failed(checks) == ["starts under restrictions"]
    assert message in checks["starts under restrictions"]["found"]
    assert do in checks["starts under restrictions"]["do"]


def test_a_service_runs_as_any_user_of_group_0_on_one_processor(found):
    """What asks for the image's user, or for more processors, does not start."""
    assert "AssertionError: (1000740000, 0)" in found["own"]["starts under restrictions"]["found"]
    assert "AssertionError: one processor" in found["broad"]["starts under restrictions"]["found"]


def test_the_declared_request_is_asked_without_network(found):
    """A service that fetches at its first request is ready, and fails its probe with what it wrote."""
    name = "answers its probe without network"

    assert found["asked"][name]["status"] == "passed"
    assert failed(found["fetches"]) == [name, "process 1 reaps zombies"]
    assert "status 0: no answer" in found["fetches"][name]["found"]
    assert found["bare"][name]["reason"] == "no [tool.wheelhouse.probe]"


def test_a_service_finds_what_every_container_has(found):
    """Shared memory for processes, and a name that resolves, are there as in Docker."""
    assert failed(found["shared"]) == ["process 1 reaps zombies"]


def test_a_service_that_is_ready_without_its_model_is_found_out(found):
    """A path that always answers 200 proves nothing."""
    assert "readiness needs the model" in failed(found["lies"])


def test_bytes_that_nobody_opens_are_held_against_the_services_budget(found):
    """Most of a whole Debian is never opened: over the budget it is told with the largest files."""
    check = found["ballast"]["bytes opened at start"]

    assert failed(found["ballast"]) == ["process 1 reaps zombies", "bytes opened at start"]
    assert "never opened, budget 10 MB: /usr/" in check["found"]
    assert "budget_unopened_mb" in check["do"]


def test_without_a_budget_the_bytes_that_nobody_opens_are_a_number(found):
    """What a library loads later is no waste: only the service can say how much that may be."""
    check = found["lazy"]["bytes opened at start"]

    assert check["status"] == "skipped"
    assert "no budget_unopened_mb is declared" in check["reason"]
    assert "MB never opened" in check["reason"]
    assert found["bare"]["bytes opened at start"]["status"] == "skipped"


def test_a_probe_that_never_fails_is_found_out(found):
    """A health probe must fail while nothing listens."""
    assert "healthcheck can fail" in failed(found["deaf"])


def test_a_probe_that_fails_while_the_service_is_ready_says_why(found):
    """The probe's last line is shown, and the advice is about `health`, not about the probe."""
    check = found["sick"]["healthcheck can fail"]

    assert failed(found["sick"]) == ["healthcheck can fail", "process 1 reaps zombies"]
    assert check["found"].endswith("1 with the service: TimeoutError: timed out")
    assert "Let `health` of [tool.wheelhouse] answer 200 within 2 s" in check["do"]


def test_a_probe_may_fail_as_often_as_the_image_allows(found):
    """A busy machine answers late: one failure is not unhealthy for Docker, either."""
    assert failed(found["slow"]) == ["process 1 reaps zombies"]


CRASHING = """
from pipeline.check.verify import _imports
crash = "#!/bin/sh\\necho importing >&2; kill -SEGV $$\\n"
image = dag.container().from_(BASE).with_new_file("/opt/venv/bin/python", crash, permissions=0o755)
print(json.dumps(await _imports(image)))
"""


def test_a_module_that_crashes_the_interpreter_is_a_broken_promise(tmp_path):
    """An end by a signal is an error of the exec itself; the other promises are judged all the same."""
    done = run_session(tmp_path, CRASHING)

    [check] = json.loads(done.stdout)
    assert (check["status"], check["found"]) == ("failed", "exit code 139; importing"), done.stderr
