"""What the README says is so."""

import importlib.util
import json
import re
from pathlib import Path
from typing import Any

from pipeline.config import ServiceConfig, VariantConfig
from pipeline.main import Wheelhouse

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def functions() -> set[str]:
    """Return the names of the main object's functions as the command line has them."""
    main: Any = Wheelhouse
    return {name.replace("_", "-") for name in main.__dagger_object_type__.functions if name}


def test_readme_lists_every_function_and_no_other() -> None:
    """The table of functions is the main object's."""
    table = [line for line in README.splitlines() if line.startswith("| `")]
    listed = {name for line in table for name in re.findall(r"`([a-z-]+)", line.split("|")[1])}

    assert listed == functions()


def test_first_screen_says_how_to_begin() -> None:
    """The first fifty lines have figures, the two verbs, how to run the image, and the same with Dagger."""
    screen = "\n".join(README.splitlines()[:50])
    words = ("good Dockerfile", "make build", "make test", "podman run", "dagger call build --variant=cpu")

    assert [one for one in words if one not in screen] == []


def test_figures_of_the_readme_are_the_measured_ones() -> None:
    """Each megabyte on the first screen stands in docs/performance.md, which says when and how."""
    table = [line for line in README.splitlines()[:15] if line.startswith("| ")]
    measured = [
        float(number) for number in re.findall(r"([\d.]+) MB", (ROOT / "docs/performance.md").read_text())
    ]
    shown = [float(number) for line in table for number in re.findall(r"([\d.]+) MB", line)]

    assert len(shown) >= 8
    assert [
        one for one in shown if not any(round(real, 2 if one < 1 else None) == one for real in measured)
    ] == []


def written_by(name: str) -> str:
    """Return what a program of docs/ writes."""
    spec = importlib.util.spec_from_file_location(f"{name}_page", ROOT / "docs" / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return str(module.page())


def test_the_page_of_keys_is_what_the_classes_declare() -> None:
    """docs/config.md has every key with its default; `python docs/config.py` writes it again."""
    written = written_by("config")

    assert (ROOT / "docs" / "config.md").read_text() == written
    assert written.count("| `") >= len(ServiceConfig.model_fields) + len(VariantConfig.model_fields)


def test_the_page_of_prune_rules_has_every_rule() -> None:
    """docs/pruning.md has each rule with what it drops; `python docs/pruning.py` writes it again."""
    written = written_by("pruning")

    assert (ROOT / "docs" / "pruning.md").read_text() == written
    assert all(f"| `{name}` |" in written for name in ("tests", "symbols", "console-scripts", "os-programs"))


def test_the_engine_is_installed_from_its_folder() -> None:
    """Both READMEs show the line that installs the engine; no page installs `wheelhouse` from an index."""
    pages = [path for path in ROOT.rglob("*.md") if not {".venv", "out"} & set(path.relative_to(ROOT).parts)]
    line = 'uv tool install "git+<repository>#subdirectory=engine"'

    assert all(line in (ROOT / name / "README.md").read_text() for name in ("", "engine"))
    assert [path for path in pages if re.search(r"pip install wheelhouse\b", path.read_text())] == []


def test_architecture_is_one_page() -> None:
    """The diagram, the rooms, the invariants, where a change goes; decisions are records of their own."""
    text = (ROOT / "ARCHITECTURE.md").read_text()

    assert len(text.splitlines()) <= 90
    assert not re.search(r"^- 20\d\d-\d\d-\d\d", text, re.MULTILINE)


def test_decisions_are_dated_records() -> None:
    """Each record has a title, its date and a text, and names no file that is gone."""
    records = [
        path for place in ("docs", "engine/docs") for path in (ROOT / place / "decisions").glob("*.md")
    ]
    files = {
        path.name for place in ("pipeline", "engine", "app", "tests") for path in (ROOT / place).rglob("*.py")
    }

    assert len(records) > 50
    for record in records:
        title, date, text = record.read_text().split("\n\n", 2)
        assert title.startswith("# "), record.name
        assert text.strip(), record.name
        assert record.name.startswith(date.removeprefix("Date: ")), record.name
        named = {name.rpartition("/")[2] for name in re.findall(r"`([\w/]+\.py)`", text)}
        assert named <= files, record.name


def test_the_schema_is_what_the_classes_declare() -> None:
    """docs/wheelhouse.schema.json has every key of the table; `python docs/schema.py` writes it again."""
    written = written_by("schema")

    assert (ROOT / "docs" / "wheelhouse.schema.json").read_text() == written
    assert set(json.loads(written)["properties"]) == set(ServiceConfig.model_fields)
