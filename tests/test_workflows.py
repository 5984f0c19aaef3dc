"""Workflows call functions that exist, with pinned actions and no more rights than they need."""

import inspect
import json
import re
import shlex
import typing
from collections.abc import Iterator
from pathlib import Path

import dagger
import pytest

from pipeline.main import Wheelhouse

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
ACTIONS = [*WORKFLOWS, *sorted((ROOT / ".github" / "actions").rglob("action.yml"))]
CORE = (dagger.Container, dagger.Directory, dagger.File, dagger.Service)
OUTPUT_FLAGS = {"-o", "--output"}


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


def kebab(name: str) -> str:
    """Return a Python name as the command line has it."""
    return name.strip("_").replace("_", "-")


def flags_of(function: object) -> set[str]:
    """Return the flags of a function or class."""
    return {f"--{kebab(name)}" for name in inspect.signature(function).parameters if name != "self"}  # type: ignore[arg-type]


def functions() -> dict[str, object]:
    """Return the functions of the main object by their command line names."""
    members = inspect.getmembers(Wheelhouse, callable)
    return {kebab(name): function for name, function in members if not name.startswith("_")}


def test_there_are_calls_to_check() -> None:
    """Both workflows and the README hold calls, so the next test cannot pass by finding none."""
    for path in (*WORKFLOWS, ROOT / "README.md"):
        assert calls(path), path
    publish = next(words for words in calls(ROOT / ".github/workflows/publish.yml") if words[0] == "publish")
    assert "--password=env://REGISTRY_PASSWORD" in publish


@pytest.mark.parametrize("words", list(every_call()))
def test_every_call_names_a_function_and_its_flags(words: list[str]) -> None:
    """Function and flags of every `dagger call` line exist; further words are functions of core types."""
    allowed = flags_of(Wheelhouse) | {"-m", "--progress"}
    known: set[str] = {kebab(name) for kind in CORE for name in dir(kind)}
    found = functions()
    chosen = ""
    takes_value = False
    for word in words:
        if takes_value:
            takes_value = False
        elif word in OUTPUT_FLAGS | {"-m"}:
            takes_value = True
        elif word.startswith("-"):
            assert word.partition("=")[0] in allowed, f"{word} is no flag of {chosen or 'the module'}"
        elif not chosen:
            assert word in found, f"{word} is no function: {sorted(found)}"
            chosen, allowed = word, flags_of(found[word])
        else:
            assert word in known, f"{word} is no function of a core type"
            names = [getattr(kind, word.replace("-", "_"), None) for kind in CORE]
            allowed = set[str]().union(*(flags_of(name) for name in names if name))
    assert chosen


def test_enum_values_of_calls_exist() -> None:
    """Every `--variant(s)=` of a workflow names variants that exist, or a variable."""
    from pipeline.variants import Variant  # noqa: PLC0415

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
    """Every script of a workflow is one `dagger call`, or prints one line."""
    for path in WORKFLOWS:
        for script in re.findall(r"run: (.*)", joined(path.read_text())):
            assert script.startswith(("dagger call ", "dagger check", "echo "))


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
