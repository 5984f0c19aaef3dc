"""What the page about the API promises."""

import ast
import gc
from pathlib import Path

from wheelhouse_engine.api import load_api
from wheelhouse_engine.coverage import PARTIAL, markdown, rows, status
from wheelhouse_engine.handlers import HANDLERS

PAGE = Path(__file__).parents[1] / "docs" / "api.md"


def test_page_is_what_the_code_does() -> None:
    """engine/docs/api.md is written from the code; `python -m wheelhouse_engine.coverage` renews it."""
    assert PAGE.read_text() == markdown(load_api())


def test_a_finaliser_that_parses_does_not_disturb_reading() -> None:
    """Tasks that are collected meanwhile format tracebacks, which parses source, too."""

    def collected(_phase: str, _info: dict[str, int]) -> None:
        ast.parse("x")

    gc.callbacks.append(collected)
    try:
        table = load_api()
    finally:
        gc.callbacks.remove(collected)

    assert "Container" in table.objects


def test_every_carried_out_field_is_one_of_the_api() -> None:
    """A handler's name is a field of the installed client; a misspelled one would never run."""
    table = load_api()

    assert [n for n in HANDLERS if n.split(".")[1] not in table.objects.get(n.split(".")[0], {})] == []


def test_notes_belong_to_fields_that_are_carried_out() -> None:
    """What is called partial is carried out in part."""
    assert set(PARTIAL) <= set(HANDLERS)


def test_refused_fields_are_called_refused() -> None:
    """A field without a handler is never shown as done."""
    found = {f"{owner}.{field}": how for owner, field, how in rows(load_api())}

    assert found["Directory.terminal"] == "refused"
    assert found["Container.asService"] == "partial"
    assert found["Container.stdout"] == "done"
    assert status("Query.loadContainerFromID") == "done"
