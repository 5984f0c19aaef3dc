"""A fetched module runs in a container and reaches nothing of this machine that was not typed."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from graphql import parse

from stores import unmounted
from wheelhouse_engine.api import load_api
from wheelhouse_engine.cli.guard import Guard
from wheelhouse_engine.schema import build_schema

from .conftest import WHEELHOUSE

MODULE = '''
import json, os, pathlib
import dagger
from dagger import dag, function, object_type


@object_type
class Foreign:
    @function
    def where(self) -> str:
        """Tell what this code sees."""
        secret = pathlib.Path("{secret}")
        here = pathlib.Path(__file__).parent
        seen = {{"uid": os.getuid(), "secret": secret.exists(), "environ": sorted(os.environ)}}
        seen |= {{"etc": sorted(one.name for one in pathlib.Path("/etc").iterdir())}}
        seen |= {{"writes": os.access(here, os.W_OK), "capabilities": self._capabilities()}}
        return json.dumps(seen)

    @function
    async def listed(self, source: dagger.Directory) -> list[str]:
        return await source.entries()

    @function
    async def made(self) -> dagger.Directory:
        return dag.directory().with_new_file("made", "by a fetched module")

    @function
    async def steal(self) -> str:
        return await dag.address("{secret}").file().contents()

    @function
    async def wrong(self) -> str:
        raise ValueError("told as it is")

    def _capabilities(self) -> str:
        lines = pathlib.Path("/proc/self/status").read_text().splitlines()
        return next(line.split()[1] for line in lines if line.startswith("CapEff"))
'''


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Give a repository with a module at its only commit."""
    folder = tmp_path / "clone"
    folder.mkdir()
    (tmp_path / "secret").write_text("of this machine")
    (folder / "dagger.json").write_text('{"name": "foreign", "sdk": "python"}')
    (folder / "main.py").write_text(MODULE.format(secret=tmp_path / "secret"))
    for line in ("init -q", "add .", "-c user.name=a -c user.email=a@b commit -qm m"):
        subprocess.run(["git", "-C", str(folder), *line.split()], check=True)
    return folder


@pytest.mark.engine
@pytest.mark.skipif(shutil.which("runc") is None or os.geteuid() != 0, reason="needs runc and root")
def test_a_fetched_module_runs_in_a_container(clone: Path, tmp_path: Path) -> None:
    """Its code is nobody's, sees no file and no variable of the caller, and still does its work."""
    commit = subprocess.run(
        ["git", "-C", str(clone), "rev-parse", "HEAD"], check=True, capture_output=True, text=True
    ).stdout.strip()
    (clone / "typed").mkdir()
    (clone / "typed/a").touch()
    environ = {**os.environ, "WHEELHOUSE_STORE": str(tmp_path / "store"), "CALLER_TOKEN": "canary"}

    def call(*words: str) -> "subprocess.CompletedProcess[str]":
        command = [WHEELHOUSE, "--engine=embedded", "call", "-m", f"github.com/no/thing@{commit}", *words]
        return subprocess.run(
            command, cwd=clone, env=environ, capture_output=True, text=True, check=False, timeout=300
        )

    with unmounted(tmp_path / "store"):
        told = call("where")
        assert told.returncode == 0, told.stderr
        seen = json.loads(told.stdout)
        assert seen["uid"] == 65534
        assert int(seen["capabilities"], 16) == 0
        assert not seen["secret"]
        assert not seen["writes"]
        assert "CALLER_TOKEN" not in seen["environ"]
        assert not {"shadow", "passwd", "sudoers"} & set(seen["etc"])
        assert call("listed", "--source=typed").stdout == "a\n"
        assert call("made", "-o", "out").returncode == 0
        assert call("where", "-o", "told.json").returncode == 0
        stolen = call("steal")
        wrong = call("wrong")

    assert (clone / "out/made").read_text() == "by a fetched module"
    assert json.loads((clone / "told.json").read_text())["uid"] == 65534
    assert (stolen.returncode, wrong.returncode) == (1, 1)
    assert "a fetched module reads only what the command line names" in stolen.stderr
    assert "of this machine" not in stolen.stdout + stolen.stderr
    assert "told as it is" in wrong.stderr


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ('{ host { directory(path: "/etc") { id } } }', "Query.host"),
        ("{ engine { name } }", "Query.engine"),
        ('{ address(value: "/etc") { directory { entries } } }', "Query.address"),
        ('{ address(value: "cmd://id") { secret { plaintext } } }', "Query.address"),
        ("query Q($v: String!) { address(value: $v) { directory { id } } }", "Query.address"),
        ('{ a: secret(uri: "env://HOME") { plaintext } }', "Query.secret"),
        ('{ git(url: "/srv/repository") { tags } }', "Query.git"),
        ('{ git(url: "file:///srv/repository") { tags } }', "Query.git"),
        ('{ directory { export(path: "/root/.profile") } }', "Directory.export"),
        ('{ currentModule { workdir(path: ".") { entries } } }', "CurrentModule.workdir"),
        ("{ ...f } fragment f on Query { host { id } }", "Query.host"),
        ("{ __schema { queryType { name } } host { id } }", "Query.host"),
    ],
)
def test_a_fetched_module_is_refused_what_was_not_typed(tmp_path: Path, query: str, why: str) -> None:
    """However it is written, a query that reads or writes this machine is not answered."""
    guard = Guard.of(["call", "f", "--source=typed", "-o", "out"], tmp_path, tmp_path / "module")
    schema = build_schema(load_api(tmp_path / "api"), None, {})  # type: ignore[arg-type]

    assert guard.refusal(parse(query), schema).startswith(why)


@pytest.mark.parametrize(
    "query",
    [
        '{ address(value: "typed") { directory { entries } } }',
        '{ address(value: "python:3.13-slim") { container { id } } }',
        '{ address(value: "MODULE/app") { directory { id } } }',
        '{ git(url: "https://example.test/a.git") { tags } }',
        '{ directory { export(path: "OUT") } }',
        '{ container { withExec(args: ["a"]) { stdout } } }',
        "{ __schema { queryType { name } } }",
    ],
)
def test_a_fetched_module_may_do_its_work(tmp_path: Path, query: str) -> None:
    """What was typed, the module's own files, and everything in containers is answered."""
    guard = Guard.of(["call", "f", "--source=typed", "-o", "out"], tmp_path, tmp_path / "module")
    schema = build_schema(load_api(tmp_path / "api"), None, {})  # type: ignore[arg-type]
    text = query.replace("MODULE", str(tmp_path / "module")).replace("OUT", str(tmp_path / "out"))

    assert guard.refusal(parse(text), schema) == ""
