"""Workflows call functions that exist, with pinned actions and no more rights than they need."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.build.cache_signing import CacheSigning
from pipeline.errors import PipelineError
from pipeline.main import Wheelhouse
from pipeline.variants import Variant
from wheelhouse_engine.api import load_api
from wheelhouse_engine.cli.checking import find_checks
from wheelhouse_engine.cli.command_line import ModuleTypes, module_reference, parse_chain
from wheelhouse_engine.cli.core import CoreTypes
from wheelhouse_engine.cli.environment import read_config
from wheelhouse_engine.cli.introspect import OwnTypes
from wheelhouse_engine.cli.modules import load_main_object
from wheelhouse_engine.cli.project import Project

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
NAMES = [variant.value for variant in Variant]
ACTIONLINT = "github.com/rhysd/actionlint/cmd/actionlint@v1.7.12"
ACTIONS = [*WORKFLOWS, *sorted((ROOT / ".github" / "actions").rglob("action.yml"))]


def joined(text: str) -> str:
    """Return a workflow with the lines of folded commands joined."""
    made: list[str] = []
    depth = 0
    for line in text.splitlines():
        indent = len(line) - len(line.lstrip())
        if depth and line.strip() and indent > depth:
            made[-1] += f" {line.strip()}"
            continue
        depth = indent if line.rstrip().endswith("run: >-") else 0
        made.append(line.replace("run: >-", "run:"))
    return "\n".join(made)


def calls(path: Path) -> list[list[str]]:
    """Return the words of every `dagger call` line of a file, up to a pipe."""
    lines = re.findall(r"^\s*(?:run: )?(dagger call [^\n|>#]*)", joined(path.read_text()), re.MULTILINE)
    return [shlex.split(line)[2:] for line in lines]


def every_call() -> Iterator[object]:
    """Give every call of the workflows and the README."""
    for path in (*WORKFLOWS, ROOT / "README.md"):
        for words in calls(path):
            yield pytest.param(words, id=f"{path.name}: {' '.join(words)[:60]}")


@pytest.fixture(scope="module")
def types():
    """Give what the command line knows of this module and of the core API."""
    environ = dict(os.environ)
    config = read_config(ROOT)
    own = OwnTypes(load_main_object(config), config.name)
    os.environ.clear()
    os.environ.update(environ)
    return ModuleTypes(own, lambda: CoreTypes(load_api()))


def test_there_are_calls_to_check() -> None:
    """Both workflows and the README hold calls, so the next test cannot pass by finding none."""
    for path in (*WORKFLOWS, ROOT / "README.md"):
        assert calls(path), path
    publish = next(words for words in calls(ROOT / ".github/workflows/publish.yml") if "publish" in words)
    assert "--password=env://REGISTRY_PASSWORD" in publish


def test_only_the_publisher_writes_to_the_cache() -> None:
    """publish.yml holds the signing key; jobs that strangers start read what its public half vouches for."""
    reading, writing = (ROOT / ".github/workflows" / name for name in ("ci.yml", "publish.yml"))
    [publish] = [words for words in calls(writing) if "publish" in words]
    assert "--cache-key=env://CACHE_KEY" in publish
    assert "CACHE_KEY: ${{ secrets.CACHE_KEY }}" in writing.read_text()
    assert "secrets." not in reading.read_text()
    for words in [*(words for words in calls(reading) if words[0] != "checks"), publish]:
        assert "--cache-public-key=.github/cache.pub" in words


def test_the_placeholder_of_the_cache_key_can_neither_read_nor_write() -> None:
    """With the public key that the repository ships, a cache is refused and the message says what to do."""
    placeholder = (ROOT / ".github/cache.pub").read_text()
    with pytest.raises(PipelineError, match="public key cannot be read"):
        CacheSigning.by(public_pem=placeholder)


def test_keys_archives_and_outputs_are_never_committed() -> None:
    """Git ignores what the documents' commands write into the repository."""
    names = ["cache.pem", "app/image.tar", "out/cpu.txt", "report/report.html"]
    ignored = run(["git", "check-ignore", *names]).stdout.split()

    assert ignored == names


@pytest.mark.parametrize("words", list(every_call()))
def test_every_call_is_one_that_the_command_line_takes(types, words):
    """Functions, flags and values of every `dagger call` line are parsed as if it were run."""
    given = [word.replace("$VARIANT", "cpu") for word in words]
    reference = module_reference(given)
    left = [word for word in given if word not in {"-m", reference}]

    chain = parse_chain(left, types, "wheelhouse call")

    assert len(chain.steps) > 1


def test_a_user_sees_checks_of_the_service_alone(types):
    """`dagger check` lists tests and policies of the images, not the tools of this repository."""
    project = Project(read_config(ROOT), types, lambda _function, _first: {})
    known = {one.name for one in find_checks(project)}
    assert known == {
        "wheelhouse:lock-changes",
        *(f"wheelhouse:checks:{kind}-{variant}" for kind in ("test", "verify") for variant in NAMES),
    }


def test_enum_values_of_calls_exist() -> None:
    """Every `--variant(s)=` of a workflow names variants that exist, or a variable."""
    for path in WORKFLOWS:
        for value in re.findall(r"--variants?=([^\s\\`]+)", path.read_text()):
            names = value.strip('"').split(",")
            assert names == ["$VARIANT"] or set(names) <= {variant.value for variant in Variant}
        for matrix in re.findall(r"variant: \[(.*)\]", path.read_text()):
            assert {name.strip() for name in matrix.split(",")} == {variant.value for variant in Variant}


@pytest.mark.parametrize("path", ACTIONS, ids=lambda path: path.parent.name + "/" + path.name)
def test_actions_are_pinned_by_commit(path: Path) -> None:
    """Every action of others is named by 40 hex digits, with its tag in a comment."""
    used = re.findall(r"uses: (.*)", path.read_text())
    assert used
    for line in used:
        assert line.startswith("./.github/") or re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_have_least_rights(path: Path) -> None:
    """No right by default, no credentials left behind, a time limit and a group for each."""
    text = path.read_text()
    assert "\npermissions: {}\n" in text
    assert "\nconcurrency:\n" in text
    assert text.count("actions/checkout@") == text.count("persist-credentials: false")
    assert text.count("runs-on:") == text.count("timeout-minutes:")
    assert "pull_request_target" not in text


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_scripts_hold_no_expressions(path: Path) -> None:
    """Text from outside reaches a script through its environment, never through `${{ }}`."""
    for line in joined(path.read_text()).splitlines():
        if "run:" in line:
            assert "${{" not in line


def test_only_functions_do_the_work() -> None:
    """Every script of a workflow is one `dagger call`, the tests on Dagger, or prints one line."""
    for path in WORKFLOWS:
        for script in re.findall(r"run: (.*)", joined(path.read_text())):
            assert script.startswith(("dagger call ", "make test-dagger", "echo "))


def test_zizmor_finds_nothing():
    """The workflows hold no known weakness; nothing is asked of a network."""
    ran = run([str(Path(sys.executable).with_name("zizmor")), "--offline", "--no-progress", ".github"])

    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_actionlint_finds_nothing():
    """The workflows are well formed; judged where actionlint or Go, which fetches it, is at hand."""
    command = [found] if (found := shutil.which("actionlint")) else ["go", "run", ACTIONLINT]
    if not shutil.which(command[0]):
        pytest.skip("neither actionlint nor go is installed here")

    ran = run(command)

    assert ran.returncode == 0, ran.stdout + ran.stderr


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a program in the repository."""
    return subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT)


def test_engine_version_is_named_once() -> None:
    """The version that CI installs is dagger.json's, and stands in one file."""
    version = json.loads((ROOT / "dagger.json").read_text())["engineVersion"]
    holders = [path for path in ACTIONS if re.search(r"\bv?\d+\.\d+\.\d+\b", _without_pins(path))]
    assert [path.parent.name for path in holders] == ["dagger"]
    assert re.findall(r"version: (\S+)", _without_pins(holders[0])) == [version]


def _without_pins(path: Path) -> str:
    return re.sub(r"@[0-9a-f]{40} # v\S+|runs-on: \S+", "", path.read_text())


def test_type_hints_of_the_module_resolve() -> None:
    """Signatures are read from real annotations, so a renamed argument is seen here."""
    assert "address" in typing.get_type_hints(Wheelhouse.publish)


def test_dependabot_raises_every_lock_of_the_programs() -> None:
    """A pinned package in a folder that nobody names, such as the one that signs, is never raised."""
    text = (ROOT / ".github/dependabot.yml").read_text()
    named = re.findall(r'"(/pipeline/[^"]*)"', text)
    covered = {folder for pattern in named for folder in ROOT.glob(pattern.lstrip("/"))}
    locks = [path for path in (ROOT / "pipeline/programs").rglob("*.txt") if "--hash=" in path.read_text()]

    assert len(locks) > 5
    assert {path.name for path in locks if path.parent not in covered} == set()
