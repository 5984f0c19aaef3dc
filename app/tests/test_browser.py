"""Start page in a real browser: question, passages, answer; phone, light and dark; accessible."""

import json
import os
from importlib.util import find_spec
from pathlib import Path

import httpx2
import pytest
from browser import CHROMIUM, browsing
from doubles import playing
from processes import PATIENCE_S, started, wait_until_ready

if not CHROMIUM:
    pytest.skip("no browser here: install Debian's chromium", allow_module_level=True)

TEXT = "A wheel is a built package. <img src=x onerror=alert(1)> & " + "averylongword" * 30
LOOKS = [(1000, "light"), (1000, "dark"), (390, "light"), (390, "dark"), (320, "light")]


@pytest.fixture(scope="module")
def service():
    """Give the service with one document and an upstream that answers."""
    with playing() as upstream, started(EMBEDDER="upstream", UPSTREAM_URL=upstream.url) as process:
        wait_until_ready(process)
        documents = {"documents": [{"id": "wheels", "text": TEXT}]}
        httpx2.post(f"{process.url}/documents", json=documents, timeout=PATIENCE_S).raise_for_status()
        process.upstream = upstream
        yield process


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """Give the tab of a browser."""
    with browsing(tmp_path_factory.mktemp("browser")) as tab:
        yield tab


@pytest.fixture
def page(browser, service):
    """Give a tab with the page, as it is first seen."""
    browser.look()
    browser.failures.clear()
    browser.requested.clear()
    browser.open(f"{service.url}/")
    browser.until("document.getElementById('model').textContent.startsWith('Searched')")
    return browser


def ask(page, question: str) -> None:
    """Type a question and press Enter; the focus is in the field already."""
    page.type(question, enter=True)
    page.until("!document.querySelector('#ask button').disabled && document.querySelector('#passages li')")


def text(page, selector: str) -> str:
    """Return the text of an element."""
    return page.value(f"document.querySelector({json.dumps(selector)}).innerText")


def test_a_typed_question_shows_passages_and_answer(page):
    """No mouse is needed; the answer arrives in pieces."""
    ask(page, "What is a wheel?")

    assert text(page, "#answer") == "Wheels are round."
    assert TEXT in text(page, "#passages li")
    assert "[1] wheels" in text(page, "#passages li")
    assert (text(page, "#status"), page.failures) == ("", [])


def test_a_passage_is_shown_as_text(page):
    """Markup in a document does nothing."""
    ask(page, "wheel")

    assert page.value("document.images.length") == 0


def test_the_page_asks_nobody_but_the_service(page, service):
    """No font, script or picture of another host."""
    ask(page, "wheel")

    assert [url for url in page.requested if not url.startswith((service.url, "data:"))] == []


def test_without_an_answer_the_passages_stay_and_the_reason_is_said(page, service):
    """An upstream that fails costs the answer only."""
    service.upstream.broken = True
    ask(page, "wheel")
    service.upstream.broken = False

    assert text(page, "#status") == "the upstream broke off the answer."
    assert TEXT in text(page, "#passages")


def test_a_text_can_be_added_and_is_found(page):
    """The first thing that a new service needs."""
    page.value("document.getElementById('adding').open = true; document.getElementById('text').focus()")
    page.type("Cats sleep.")
    page.value("document.querySelector('#add button').click()")
    page.until("document.getElementById('status').textContent === 'Added as 1 passage.'")
    ask(page, "cats")

    assert "Cats sleep." in text(page, "#passages")


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_nothing_is_wider_than_the_screen(page, width, scheme):
    """A phone needs no sideways scrolling, and what is touched is large enough."""
    page.look(width=width, scheme=scheme)
    ask(page, "wheel")
    if pictures := os.environ.get("PICTURES"):
        page.picture(Path(pictures) / f"page-{width}-{scheme}.png")

    assert page.value("document.documentElement.scrollWidth") <= width
    heights = page.value("[...document.querySelectorAll('button, input')].map((one) => one.offsetHeight)")
    assert min(height for height in heights if height) >= 44


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(page, scheme):
    """Names, roles, contrast and landmarks, with everything shown that the page can show."""
    place = find_spec("axe_playwright_python")
    axe = Path(place.submodule_search_locations[0]) / "axe.min.js"
    page.look(width=390, scheme=scheme)
    ask(page, "wheel")
    page.value(
        "document.querySelectorAll('details').forEach((one) => { one.hidden = false; one.open = true; })"
    )
    page.value(axe.read_text(encoding="utf-8") + ";0")
    found = page.value("axe.run().then((found) => found.violations.map((one) => one.id + ': ' + one.help))")

    assert found == []
