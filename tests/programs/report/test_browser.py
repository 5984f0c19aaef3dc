"""The page of a report in a browser: it fits, it is accessible, and its tools work."""

import importlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .test_run import given, report, write

sys.path.insert(0, str(Path(__file__).parents[3] / "app" / "tests"))
__all__ = ["given", "report"]
AXE = "axe-core@4.10.3"
pytestmark = [pytest.mark.integration, pytest.mark.filterwarnings("ignore::ResourceWarning")]
LAYERS = [
    {"number": 1, "packages": {"libc6": 6_000_000, "libssl3": 2_000_000}},
    {"number": 2, "packages": {"numpy": 4_000_000}},
]
ZOOMED = "document.querySelector('[title^=numpy]').style.width"
SHOWN = "[...document.querySelectorAll('#packages-cpu tbody tr')].filter(row => !row.hidden)"


@pytest.fixture
def shown(report, given, tmp_path):
    """Give a browser that shows a report with a failure, a map and tables."""
    browser = importlib.import_module("browser")  # of the service's own tests
    if browser.CHROMIUM is None:
        pytest.skip("needs chromium")
    sizes = {"raw_bytes": 12_000_000, "zstd_bytes": 1_000_000, "layers": LAYERS}
    write(given / "cpu/layers/layers.json", sizes)
    parts = [{"name": name, "version": "1", "purl": f"pkg:pypi/{name}@1"} for name in ("b", "a", "numpy")]
    write(given / "cpu/scan/sbom.cdx.json", {"components": parts})
    facts = json.loads((given / "facts.json").read_text())
    facts["steps"][0]["error"] = "no space " * 80
    write(given / "facts.json", facts)
    report()
    home = tmp_path / "browser"
    home.mkdir()
    with browser.browsing(home) as page:
        page.look()
        page.open((given / "out/report.html").as_uri())
        yield page
        assert page.failures == []
        assert [url for url in page.requested if not url.startswith("file:")] == []


@pytest.mark.parametrize("width", [390, 1000])
def test_the_page_fits_the_width(shown, width):
    """Nothing is wider than the screen, from a phone to a desk."""
    shown.look(width=width)

    assert shown.value("document.documentElement.scrollWidth") <= width


def test_a_click_looks_into_a_layer_and_back(shown):
    """The tiles of the layer fill the map; the button shows all layers again."""
    before = shown.value(ZOOMED)
    shown.value("document.querySelector('[title^=numpy]').click()")
    inside = shown.value(ZOOMED)
    shown.value("document.getElementById('map-cpu-back').click()")

    assert (inside, shown.value(ZOOMED)) == ("100%", f"{float(before[:-1]):g}%")
    assert float(before[:-1]) < 100


def test_a_word_finds_packages_on_the_map_and_in_the_table(shown):
    """Found tiles are counted with their bytes; rows without the word are hidden."""
    for field in ("map-cpu-search", None):
        target = f"getElementById('{field}')" if field else "querySelector('[data-table=packages-cpu]')"
        shown.value(
            f"{{const f = document.{target}; f.value = 'NumPy'; f.dispatchEvent(new Event('input'))}}"
        )

    assert shown.value("document.getElementById('map-cpu-found').textContent") == "1 found, 4.00 MB"
    assert shown.value(f"{SHOWN}.map(row => row.cells[0].textContent)") == ["numpy"]
    assert shown.value("document.getElementById('packages-cpu-count').textContent") == "1 of 3"


def test_a_heading_sorts_its_column_both_ways(shown):
    """The second click turns the order round, and says so to a screen reader."""
    order = f"{SHOWN}.map(row => row.cells[0].textContent).join(' ')"
    head = "document.querySelector('#packages-cpu th')"
    shown.value(f"{head}.querySelector('button').click()")
    up = shown.value(order)
    shown.value(f"{head}.querySelector('button').click()")

    assert (up, shown.value(order)) == ("a b numpy", "numpy b a")
    assert shown.value(f"{head}.getAttribute('aria-sort')") == "descending"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(shown, tmp_path, scheme):
    """No known barrier, contrast included, with everything opened."""
    if not shutil.which("npm"):
        pytest.skip("needs npm, which fetches axe-core")
    fetched = subprocess.run(["npm", "pack", "-s", AXE], cwd=tmp_path, check=False, capture_output=True)
    if fetched.returncode:
        pytest.skip(f"npm cannot fetch {AXE}: {fetched.stderr[-200:]!r}")
    subprocess.run(["tar", "xzf", fetched.stdout.decode().strip()], cwd=tmp_path, check=True)
    shown.look(scheme=scheme)
    shown.value("for (const one of document.querySelectorAll('details')) one.open = true")
    shown.value((tmp_path / "package/axe.min.js").read_text() + ";0")

    found = shown.value("axe.run().then(found => found.violations.map(one => one.id + one.nodes[0].html))")

    assert found == []
