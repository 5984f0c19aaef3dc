"""Outcomes of steps become one page that hides nothing and runs nothing."""

import json
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "pipeline" / "programs"))
HOSTILE = "<script>alert(1)</script>\" onload='x' `a` | [b](c)"
JUNIT = '<testsuite><testcase classname="t" name="{name}" time="0.5">{inside}</testcase></testsuite>'
DRAWING = '<svg xmlns="http://www.w3.org/2000/svg"><rect width="1"/>{more}</svg>'


class Elements(HTMLParser):
    """Collect every element, its attributes and the texts of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.texts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        """Keep name and attributes."""
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data):
        """Keep the text."""
        self.texts.append(data)


@pytest.fixture
def given(tmp_path):
    """Give the inputs of one good variant: one test passed, one promise kept, an image of 2 MB."""
    steps = [
        {"variant": "cpu", "name": name, "seconds": 1.5, "error": "", "skipped": ""}
        | {
            "dagger": f"dagger call {name} --variant=cpu",
            "wheelhouse": f"wheelhouse call {name} --variant=cpu",
        }
        for name in ("build", "test", "verify", "layers", "scan")
    ]
    facts = {
        "version": 1,
        "service": "rag",
        "module": "",
        "now": "2026-11-21T10:00:00+00:00",
        "budgets": {"cpu": {"raw_mb": 3, "zstd_mb": None}},
        "steps": steps,
    }
    write(tmp_path / "cpu/test/outcome.json", {"runs": [{"name": "tests", "exit_code": 0, "seconds": 1}]})
    write(tmp_path / "cpu/test/junit.xml", JUNIT.format(name="works", inside=""))
    write(tmp_path / "cpu/test/tests.log", "1 passed\n")
    kept = {"name": "no shell", "status": "passed", "reason": "", "found": "", "expected": "", "do": ""}
    write(tmp_path / "cpu/verify/verify.json", {"checks": [kept]})
    write(tmp_path / "cpu/layers/layers.json", {"raw_bytes": 2_000_000, "zstd_bytes": 1_000_000})
    write(tmp_path / "cpu/layers/layers.svg", DRAWING.format(more=""))
    coverage = [{"part": "debian", "status": "scanned", "scanned": 3, "expected": 3, "reason": ""}]
    scan = {"coverage": coverage, "failures": [], "findings": [], "ignored": [], "verdict": "passed"}
    write(tmp_path / "cpu/scan/findings.json", scan)
    write(tmp_path / "facts.json", facts)
    return tmp_path


def write(path: Path, content: object) -> None:
    """Write text as it is and anything else as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))


@pytest.fixture
def report(given, monkeypatch):
    """Return a function that writes the report and gives report.json, the page and the summary."""

    def written():
        monkeypatch.setattr(sys, "argv", ["report", "--in", str(given), "--out", str(given / "out")])
        from report import run  # noqa: PLC0415 - found once sys.path is set

        assert run.main() == 0
        texts = [(given / "out" / name).read_text() for name in ("report.html", "summary.md")]
        return json.loads((given / "out/report.json").read_text()), *texts

    return written


def failures(document) -> list[tuple[str, str]]:
    """Return step and name of every failure."""
    return [(one["step"], one["name"]) for one in document["failures"]]


def test_a_good_run_is_passed_and_has_the_charts(report):
    """Every step is told, the map of the image is on the page, and a bar ends before its budget."""
    document, page, summary = report()

    assert (document["status"], document["failures"]) == ("passed", [])
    assert {check["step"] for check in document["checks"]} == {"build", "test", "verify", "layers", "scan"}
    assert "<svg" in page
    assert "width:66.7%" in page
    assert "| cpu | ✅ 1 | ✅ 1 | ✅ 1 | ✅ 1 | ✅ 2 | 2.0 | 1.0 | - |" in summary


def test_a_failed_case_is_told_with_the_line_that_shows_it_again(report, given):
    """JSON, page and summary name the case and carry both command lines."""
    inside = '<failure message="assert 1 == 2">long</failure>'
    write(given / "cpu/test/junit.xml", JUNIT.format(name="breaks", inside=inside))

    document, page, summary = report()

    assert failures(document) == [("test", "t::breaks")]
    assert document["failures"][0]["dagger"] == "dagger call test --variant=cpu"
    for text in (page, summary):
        assert "assert 1 == 2" in text
        assert "dagger call test --variant=cpu" in text
        assert "wheelhouse call test --variant=cpu" in text


def test_texts_of_the_outcome_are_never_markup(report, given):
    """A hostile name or message adds no element and no handler to the page, no HTML to the summary."""
    safe = set(Elements(report()[1]).tags)
    inside = "<failure/>"
    hostile = HOSTILE.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    write(given / "cpu/test/junit.xml", JUNIT.format(name=hostile, inside=inside))
    write(given / "cpu/test/tests.log", HOSTILE)
    kept = dict.fromkeys(("reason", "found", "expected", "do"), HOSTILE)
    write(given / "cpu/verify/verify.json", {"checks": [kept | {"name": HOSTILE, "status": "failed"}]})

    _, page, summary = report()

    found = Elements(page)
    assert set(found.tags) - safe <= {"article", "h3", "pre", "h2", "button"}
    assert not [name for name, _ in found.attributes if name.startswith("on")]
    assert HOSTILE in "".join(found.texts)
    assert "<script" not in summary
    assert "](c)" not in summary.replace("\\]", "")


@pytest.mark.parametrize(
    "more",
    ["<script>1</script>", '<a href="x"/>', '<rect onclick="x"/>', "<image/>", "<foreignObject/>", "<"],
)
def test_a_picture_that_holds_more_than_a_drawing_stays_a_link(report, given, more):
    """What could run or load something is not put into the page."""
    write(given / "cpu/layers/layers.svg", DRAWING.format(more=more))

    page = report()[1]

    assert "<svg" not in page
    assert 'href="cpu/layers/layers.svg"' in page


def test_a_run_that_failed_without_a_failed_case_is_a_failure(report, given):
    """An exit code counts even where every case that was reached passed."""
    write(given / "cpu/test/outcome.json", {"runs": [{"name": "tests", "exit_code": 4, "seconds": 1}]})

    assert failures(report()[0]) == [("test", "tests")]


def test_skipped_checks_are_counted_apart(report, given):
    """A step's number is what passed; what was skipped is told next to it, on page and summary."""
    cases = JUNIT.format(name="works", inside="") + JUNIT.format(name="rests", inside="<skipped/>")
    write(given / "cpu/test/junit.xml", f"<testsuites>{cases}</testsuites>")

    _, page, summary = report()

    assert "| ✅ 1, 1 skipped |" in summary
    assert "✅ rag: 6 passed, 1 skipped" in summary
    assert "<b>✓</b> 1, 1 skipped<" in page


def test_a_run_in_which_every_case_was_skipped_is_a_failure(report, given):
    """Skipping all of it tests nothing."""
    write(given / "cpu/test/junit.xml", JUNIT.format(name="rests", inside="<skipped/>"))

    assert ("test", "tests") in failures(report()[0])


def test_a_run_without_any_case_is_a_failure(report, given):
    """Nothing tested is not green."""
    write(given / "cpu/test/junit.xml", "<testsuite/>")

    assert failures(report()[0]) == [("test", "tests")]


@pytest.mark.parametrize(
    ("file", "step"),
    [
        ("test/outcome.json", "test"),
        ("test/junit.xml", "test"),
        ("verify/verify.json", "verify"),
        ("scan/findings.json", "scan"),
    ],
)
def test_results_that_cannot_be_read_are_a_failure(report, given, file, step):
    """A file that is cut, or of another shape, never counts as passed."""
    write(given / "cpu" / file, "{")

    assert (step, step) in failures(report()[0])


def test_a_step_that_could_not_be_carried_out_tells_why(report, given):
    """Its error stands in the report; the steps after it are skipped and said to be."""
    facts = json.loads((given / "facts.json").read_text())
    facts["steps"][0]["error"] = "requirements/cpu.txt: fastapi not locked"
    facts["steps"][1]["skipped"] = "the image could not be made"
    write(given / "facts.json", facts)

    document, page, _ = report()

    assert failures(document) == [("build", "build")]
    assert "fastapi not locked" in page
    assert [check["message"] for check in document["checks"] if check["status"] == "skipped"] == [
        "the image could not be made"
    ]


def test_nothing_right_is_not_green(report, given):
    """A report in which everything was skipped has failed."""
    facts = json.loads((given / "facts.json").read_text())
    for step in facts["steps"]:
        step["skipped"] = "no reason"
    write(given / "facts.json", facts)

    assert report()[0]["status"] == "failed"


def test_an_image_that_was_scanned_in_part_has_no_green_scan(report, given):
    """A part that nobody looked at keeps the step from being passed."""
    coverage = [
        {"part": "debian", "status": "scanned", "scanned": 3, "expected": 3, "reason": ""},
        {"part": "python", "status": "unscanned", "scanned": 0, "expected": 9, "reason": "no data"},
    ]
    scan = {"coverage": coverage, "failures": [], "findings": [], "ignored": [], "verdict": "unscanned"}
    write(given / "cpu/scan/findings.json", scan)

    document, _, summary = report()

    assert document["status"] == "passed"
    assert "⚠️ 1, 2 unscanned | 2.0" in summary


def test_facts_of_another_version_are_refused(given, monkeypatch, capsys):
    """Found, expected and what to do; nothing is written."""
    write(given / "facts.json", {"version": 99})
    monkeypatch.setattr(sys, "argv", ["report", "--in", str(given), "--out", str(given / "out")])
    from report import run  # noqa: PLC0415 - found once sys.path is set

    assert run.main() == 2
    assert "version 99; expected 1. Run `ci` again." in capsys.readouterr().err
    assert not (given / "out").exists()


LAYERS = [
    {"number": 1, "packages": {"libc6": 6_000_000, "a": 100, "b": 100}},
    {"number": 2, "packages": {"numpy": 4_000_000}},
]


def test_the_map_shares_the_whole_area_by_bytes():
    """Tiles never overlap, cover everything, and are as large as what they stand for."""
    from report.tiles import tiles  # noqa: PLC0415 - found once sys.path is set

    found = {tile.name: tile for tile in tiles(LAYERS)}

    assert {name: round(one.place.width * one.place.height, 2) for name, one in found.items()} == {
        "libc6": round(6_000_000 / 10_000_200 * 10_000, 2),
        "2 smaller": round(200 / 10_000_200 * 10_000, 2),
        "numpy": round(4_000_000 / 10_000_200 * 10_000, 2),
    }
    assert found["libc6"].layer == found["2 smaller"].layer != found["numpy"].layer


def test_packages_licences_and_vulnerabilities_are_tables(report, given):
    """A row each, with what it sorts by; an accepted finding says until when."""
    component = {"name": "numpy", "version": "2.5", "purl": "pkg:pypi/numpy@2.5"}
    licences = [{"license": {"id": "MIT"}}, {"expression": "Apache-2.0 OR ISC"}]
    write(given / "cpu/scan/sbom.cdx.json", {"components": [component | {"licenses": licences}]})
    scan = json.loads((given / "cpu/scan/findings.json").read_text())
    finding = {"component": "numpy", "version": "2.5", "fixed": []}
    scan["findings"] = [
        finding | {"id": "CVE-1", "severity": "low", "fixed": ["2.6"]},
        finding | {"id": "CVE-2", "severity": "critical"},
    ]
    scan["ignored"] = [{"id": "CVE-1", "reason": "unused", "until": "2027-01-01"}]
    write(given / "cpu/scan/findings.json", scan)

    texts = " ".join(" ".join(Elements(report()[1]).texts).split())

    assert "numpy 2.5 Python MIT AND Apache-2.0 OR ISC" in texts
    assert "CVE-2 numpy 2.5 critical no version open" in texts
    assert "CVE-1 numpy 2.5 low 2.6 accepted until 2027-01-01" in texts
    assert texts.index("CVE-2") < texts.index("CVE-1")


def test_what_changed_since_the_baseline_is_told(report, given):
    """Sizes, packages, vulnerabilities and checks that are not as they were; nothing else."""
    earlier, before, _ = report()
    earlier["images"]["cpu"] |= {"raw_bytes": 1_000_000, "packages": {"old": "1"}, "findings": ["CVE-9"]}
    earlier["checks"][0]["status"] = "failed"
    write(given / "baseline.json", earlier)

    texts = " ".join(" ".join(Elements(report()[1]).texts).split())

    assert "Since the baseline" not in before
    assert "cpu uncompressed 1.0 MB 2.0 MB +1.0 MB" in texts
    assert "cpu old 1 - gone" in texts
    assert "cpu CVE-9 open - vulnerability" in texts
    assert "failed passed check" in texts
    assert "as zstd 1.0 MB" not in texts.partition("Since the baseline")[2].partition("Sizes")[0]
