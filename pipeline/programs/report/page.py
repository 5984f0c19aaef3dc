"""Write the outcome as one page that needs nothing else: light and dark, wide and narrow."""

from collections.abc import Iterator
from html import escape
from typing import Final
from urllib.parse import quote

from report.charts import size_chart, time_chart
from report.checks import FAILED, PASSED, SKIPPED, Check
from report.facts import Outcome
from report.looks import STYLE
from report.words import mb, moment, seconds

MARKS: Final = {PASSED: "✓", FAILED: "✗", SKIPPED: "-"}
ORDER: Final = (FAILED, SKIPPED, PASSED)
"""Of the checks of one step: what needs a look comes first."""
TAIL: Final = 60
"""Last lines of a log that stand on the page."""
TITLES: Final = {
    "build": "Build",
    "test": "Test",
    "verify": "Verify",
    "layers": "Layers",
    "scan": "Scan",
    "compare": "Compare",
}


def page(outcome: Outcome) -> str:
    """Return the page; every text of the outcome is escaped."""
    facts = outcome.facts
    title = f"{facts['service']}: {outcome.status}"
    parts = [
        f'<header class="{outcome.status}"><p class="verdict">{MARKS[outcome.status]} {outcome.status}</p>',
        f"<h1>{escape(facts['service'])}</h1>",
        f"<p>{outcome.counted(list(outcome.checks))}</p>",
        f"<p class='soft'>{escape(facts['module'] or 'the working folder')}, {moment(facts['now'])}</p>",
        "</header>",
        *_matrix(outcome),
        *_failures(outcome),
        *size_chart(outcome),
        *_comparison(outcome),
        *time_chart(outcome),
        *(line for variant in outcome.variants for line in _variant(outcome, variant)),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n<body><main>\n"
        + "\n".join(parts)
        + "\n</main></body></html>\n"
    )


def _matrix(outcome: Outcome) -> Iterator[str]:
    """Yield the table of variants and steps."""
    steps = list(dict.fromkeys(step["name"] for step in outcome.facts["steps"]))
    yield '<section><div class="wide"><table class="matrix"><thead><tr><th scope="col">image</th>'
    yield "".join(f'<th scope="col">{TITLES[step]}</th>' for step in steps) + "</tr></thead><tbody>"
    for variant in outcome.variants:
        cells = "".join(_cell(outcome, variant, step) for step in steps)
        yield f'<tr><th scope="row"><a href="#{variant}">{variant}</a></th>{cells}</tr>'
    yield "</tbody></table></div></section>"


def _cell(outcome: Outcome, variant: str, step: str) -> str:
    checks = outcome.of_step(variant, step)
    if not checks:
        return "<td></td>"
    status = outcome.step_status(variant, step)
    count = outcome.cell(variant, step)
    return (
        f'<td class="{status}"><a href="#{variant}-{step}"><b>{MARKS[status]}</b> {count}'
        f'<span class="hidden">{status}</span></a></td>'
    )


def _failures(outcome: Outcome) -> Iterator[str]:
    found = outcome.of_status(FAILED)
    if not found:
        return
    yield f"<section><h2>{len(found)} failed</h2>"
    shown: set[str] = set()
    for one in found:
        lines = outcome.lines(one.variant, one.step)
        yield (
            f'<article class="failure"><h3>{one.variant} {one.step}: {escape(one.name)}</h3>'
            f"<pre class='message'>{escape(one.message)}</pre>"
            f"<p>This line shows it again:</p><pre class='line'>{escape(lines['dagger'])}</pre>"
            f"<details><summary>without Dagger</summary>"
            f"<pre class='line'>{escape(lines['wheelhouse'])}</pre></details>"
        )
        if one.file:
            yield from _log(outcome, one.file, whole=one.file not in shown)
            shown.add(one.file)
        yield "</article>"
    yield "</section>"


def _log(outcome: Outcome, file: str, *, whole: bool) -> Iterator[str]:
    """Yield the end of a log, once for all failures that it tells of, and the link to it."""
    path = outcome.folder / file
    if whole and path.exists():
        lines = path.read_text(errors="replace").rstrip().splitlines()[-TAIL:]
        text = escape("\n".join(lines))
        yield f"<details><summary>end of {escape(file)}</summary><pre>{text}</pre></details>"
    yield f"<p>{_link(file)}</p>"


def _comparison(outcome: Outcome) -> Iterator[str]:
    for variant in outcome.variants:
        if drawing := outcome.picture(f"{variant}/compare/compare.svg"):
            yield f"<section><h2>Beside a naive image ({variant})</h2>{drawing}"
            yield f"<p>{_link(f'{variant}/compare/compare.txt')}</p></section>"


def _variant(outcome: Outcome, variant: str) -> Iterator[str]:
    sizes, covered = outcome.sizes(variant), outcome.covered(variant)
    told = []
    if sizes:
        told.append(f"{mb(sizes['raw_bytes'])} MB, {mb(sizes['zstd_bytes'])} MB as zstd")
    if covered is not None:
        told.append(f"{covered:.0%} of the lines run by its tests")
    yield f'<section id="{variant}"><h2>{variant}</h2><p>{"; ".join(told)}</p>'
    if drawing := outcome.picture(f"{variant}/layers/layers.svg"):
        yield f"<figure>{drawing}<figcaption>What is in the image; colour is the layer.</figcaption></figure>"
    for step in outcome.facts["steps"]:
        if step["variant"] == variant:
            yield from _step(outcome, variant, step["name"], step["seconds"])
    links = "".join(f"<li>{_link(file)}</li>" for file in outcome.files(variant))
    yield f"<details><summary>files</summary><ul>{links}</ul></details></section>"


def _step(outcome: Outcome, variant: str, step: str, spent: float) -> Iterator[str]:
    checks = outcome.of_step(variant, step)
    status = outcome.step_status(variant, step)
    yield (
        f'<details id="{variant}-{step}" class="step {status}">'
        f"<summary><b>{MARKS[status]}</b> {TITLES[step]} <span class='soft'>{outcome.counted(checks)}, "
        f"{seconds(spent)}</span></summary><ul class='checks'>"
    )
    yield from (_check(one) for one in sorted(checks, key=lambda one: ORDER.index(one.status)))
    yield "</ul></details>"


def _check(one: Check) -> str:
    message = f"<span class='soft'>{escape(one.message[:1000])}</span>" if one.message else ""
    time = f" <span class='soft time'>{seconds(one.seconds)}</span>" if one.seconds is not None else ""
    return (
        f'<li class="{one.status}"><b>{MARKS[one.status]}</b><div><span>{escape(one.name)}</span>{time}'
        f"{message}</div></li>"
    )


def _link(file: str) -> str:
    return f'<a href="{escape(quote(file))}">{escape(file)}</a>'
