"""A CI run, played: the lines of the workflow, one test made to fail, the printed line in another clone."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.check.reproduce import MODULE as MODULE_OF
from pipeline.check.reproduce import SERVICE as SERVICE_OF
from tests.test_workflows import calls

ROOT = Path(__file__).parents[2]
SERVICE = ROOT / "tests/assets/services/tiny"
MODULE = "github.com/nobody/wheelhouse"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
REPOSITORY = ("lint", "types", "unit")
"""Checks of this repository itself, in a job of their own."""
BROKEN = '\n\ndef test_that_is_broken():\n    """Fail."""\n    assert 1 == 2, "on <purpose>"\n'
HANGS = """
import time

def test_that_hangs():
    time.sleep(600)
"""
RAN = re.compile(r"^#(\d+) exec (.*)$", re.MULTILINE)
pytestmark = [pytest.mark.engine, pytest.mark.slow]


@dataclass(frozen=True)
class Job:
    """A clone after the job's lines were run in it."""

    clone: Path
    commit: str
    bucket: str
    """Flag that names the stand-in for OSV's bucket."""
    ended: list[subprocess.CompletedProcess[str]]
    """`directory`, `summary`, `gate`."""

    @property
    def report(self) -> Path:
        """Where the first line left the report."""
        return self.clone / "report"


def run(folder: Path, line: str, code: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a line of `wheelhouse` in a folder, with the embedded engine of that clone or of another."""
    words = line.split()
    command = [sys.executable, "-m", "wheelhouse_engine", "--engine=embedded", "--progress=plain", *words[1:]]
    environ = os.environ | {
        "PYTHONPATH": str((code or folder) / "engine" / "src"),
        "NETRC": "",
        "PYTHONSAFEPATH": "1",
        "REGISTRY_PASSWORD": "x",
    }
    return subprocess.run(command, check=False, capture_output=True, text=True, cwd=folder, env=environ)


def git(folder: Path, *words: str) -> str:
    """Run git and return what it prints."""
    command = ["git", "-c", "user.name=t", "-c", "user.email=t@t", "-C", str(folder), *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def committed(folder: Path) -> str:
    """Make a repository of this module with the small service as its own; return its commit."""
    for name in ("pipeline", ".github", "pyproject.toml", "dagger.json", "README.md"):
        whole = (ROOT / name).is_dir()
        (shutil.copytree if whole else shutil.copy)(ROOT / name, folder / name)
    shutil.copytree(SERVICE, folder / "app")
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "the service")
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture(scope="module")
def job(tmp_path_factory, osv_bucket):
    """Play the job of the workflow on a commit in which one test fails."""
    clone = tmp_path_factory.mktemp("clone")
    committed(clone)
    tests = clone / "app/tests/test_tiny.py"
    tests.write_text(tests.read_text() + BROKEN)
    git(clone, "commit", "--quiet", "--all", "-m", "break a test")
    commit = git(clone, "rev-parse", "HEAD")
    *repository, report, summary, gate = calls(ROOT / ".github/workflows/ci.yml")
    lines = [report, summary, gate]
    assert [words[-1] for words in (*repository, *lines)] == [*REPOSITORY, "report", "summary", "gate"]
    values = {"$VARIANT": "api", "$HERE": f"{MODULE}@{commit}", "$CACHE": "", "$GITHUB_ACTOR": "me"}
    flag = f"--advisories-url={osv_bucket}"
    filled = [" ".join(["wheelhouse", "call", flag, *words]) for words in lines]
    for name, value in values.items():
        filled = [line.replace(name, value) for line in filled]
    return Job(clone, commit, flag, [run(clone, line) for line in filled])


def test_the_report_is_complete_though_a_test_failed(job):
    """Page, JUnit, coverage, logs, findings, map and seconds are there, and the first line passes."""
    assert job.ended[0].returncode == 0, job.ended[0].stderr
    files = {str(path.relative_to(job.report)) for path in job.report.rglob("*") if path.is_file()}
    assert files >= {
        *("report.html", "report.json", "summary.md", "timings.json"),
        *(
            f"api/test/{name}"
            for name in ("junit.xml", "coverage.xml", "tests.log", "http.xml", "service.log")
        ),
        *(
            "api/verify/verify.xml",
            "api/layers/layers.svg",
            "api/scan/findings.json",
            "api/scan/findings.sarif",
        ),
    }
    page = (job.report / "report.html").read_text()
    assert "on &lt;purpose&gt;" in page
    assert 'class="map"' in page


def test_the_summary_tells_the_failure_on_the_job_page(job):
    """The table has the failed step, and the line names module and commit."""
    assert job.ended[1].returncode == 0, job.ended[1].stderr
    assert "| api | ✅ 1 | ❌ 1 of " in job.ended[1].stdout
    coverage = json.loads((job.report / "api/scan/findings.json").read_text())["coverage"]
    assert {one["part"]: one["status"] for one in coverage} == {"python": "scanned", "debian": "scanned"}
    line = f"dagger call -m {MODULE}@{job.commit} {job.bucket} test --variant=api"
    assert line in job.ended[1].stdout


def test_the_gate_fails_and_repeats_no_work(job):
    """It names the test, and nothing but the page itself is made a second time."""
    gate = job.ended[2]

    assert gate.returncode == 1
    assert "ci: 1 failed" in gate.stderr
    assert "tests.test_tiny::test_that_is_broken" in gate.stderr
    again = [
        words
        for number, words in RAN.findall(gate.stderr)
        if f"#{number} cached" not in gate.stderr.splitlines()
    ]
    assert [words for words in again if "report.run" not in words] == []


def test_the_printed_line_gives_the_same_failure_in_another_clone(job, tmp_path):
    """Pasted where only the history is the same, without a network."""
    git(tmp_path, "clone", "--quiet", str(job.clone), "other")
    line = re.search(r"wheelhouse call -m .* test --variant=api", job.ended[2].stderr)
    assert line

    again = run(tmp_path / "other", line.group())

    assert again.returncode == 1
    assert "test_that_is_broken" in again.stderr


def test_reproduce_says_that_the_same_failure_came(job, tmp_path):
    """The folder of a report is enough."""
    git(tmp_path, "clone", "--quiet", str(job.clone), "other")

    again = run(tmp_path / "other", f"wheelhouse reproduce --yes {job.report}")

    assert again.returncode == 0, again.stderr
    assert "the same failure: api test: tests.test_tiny::test_that_is_broken" in again.stdout


def test_a_scan_by_given_data_is_reproduced_from_the_report_alone(job):
    """What the scan read of the data lies in the report: nobody needs the data, nor a network, again."""
    given = ROOT / "tests/assets/advisories/records.json"
    first = run(
        job.clone, f"wheelhouse call ci --offline --advisories-file={given} directory -o elsewhere/found"
    )
    assert first.returncode == 0, first.stderr
    report = json.loads((job.clone / "elsewhere/found/report.json").read_text())
    [line] = {one["wheelhouse"] for one in report["failures"] if one["step"] == "scan"}
    assert "--advisories-file=report/api/scan/advisories.json --offline=true" in line

    again = run(job.clone, "wheelhouse reproduce --yes elsewhere/found")

    assert again.returncode == 0, again.stdout + again.stderr
    assert "the same failure: api scan: gate: python: age of the data" in again.stdout


def test_what_hangs_and_what_crashes_is_told_and_nothing_is_green(tmp_path):
    """Tests without an end are cut at their limit; the last words of a service that ends are told."""
    service = Path(shutil.copytree(SERVICE, tmp_path / "service"))
    settings = service / "pyproject.toml"
    settings.write_text(settings.read_text().replace("test_timeout = 60", "test_timeout = 8"))
    (service / "tests/test_tiny.py").write_text(HANGS)
    main = service / "tiny/__main__.py"
    main.write_text('raise SystemExit("no settings")\n' + main.read_text())

    ended = run(ROOT, f"wheelhouse call --source={service} ci --offline directory -o {tmp_path}/out")

    assert ended.returncode == 0, ended.stderr
    report = json.loads((tmp_path / "out/report.json").read_text())
    failed = {one["name"]: one["message"] for one in report["failures"]}
    assert report["status"] == "failed"
    assert "no end within 8 s" in " ".join(failed.values())
    assert "no settings" in failed["http::start"]
    assert "no settings" in failed["starts under restrictions"]
    assert (tmp_path / "out/api/test/tests.log").exists()


def test_a_service_in_another_folder_is_reproduced_from_anywhere(tmp_path):
    """Its lines say which module and service they need; given them, `reproduce` finds the same failure."""
    service = Path(shutil.copytree(SERVICE, tmp_path / "service"))
    tests = service / "tests/test_tiny.py"
    tests.write_text(tests.read_text() + BROKEN)
    ended = run(service, f"wheelhouse call -m {ROOT} --source=. ci --offline directory -o ../found", ROOT)
    assert ended.returncode == 0, ended.stderr
    report = json.loads((tmp_path / "found/report.json").read_text())
    lines = {one["dagger"] for one in report["failures"] if one["step"] == "test"}
    assert lines == {f"dagger call -m '{MODULE_OF}' '--source={SERVICE_OF}' test --variant=api"}

    refused = run(tmp_path, "wheelhouse reproduce --yes found", ROOT)
    again = run(tmp_path, f"wheelhouse reproduce --yes -m {ROOT} --source=service found", ROOT)

    assert "wheelhouse reproduce -m … " in refused.stderr
    assert "the same failure: api test: tests.test_tiny::test_that_is_broken" in again.stdout


def test_the_lines_of_a_service_elsewhere_are_complete_when_the_call_names_it(tmp_path):
    """With --module and --address the line runs as printed: no placeholder, settings included."""
    service = Path(shutil.copytree(SERVICE, tmp_path / "service"))
    named = f"--module={MODULE}@{COMMIT} --address={service}"
    call = f"wheelhouse call -m {ROOT} --source=service --index-auth=env://NETRC ci --offline {named} summary"

    ended = run(tmp_path, call, ROOT)

    start = f"dagger call -m {MODULE}@{COMMIT} --source={service} --index-auth=env://NETRC scan"
    assert f"{start} --variant=api --offline=true" in ended.stdout, ended.stderr
