"""Write the outcome as one page that needs nothing else: light and dark, wide and narrow."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from report.baseline import changes
from report.checks import FAILED, PASSED, SKIPPED, UNSCANNED, Check
from report.facts import Outcome
from report.inventory import found_table, package_table
from report.tiles import tiles
from report.words import mb, moment, seconds

MARKS: Final = {PASSED: "✓", FAILED: "✗", SKIPPED: "-", UNSCANNED: "?"}
ORDER: Final = (FAILED, UNSCANNED, SKIPPED, PASSED)
"""Of the checks of one step: what needs a look comes first."""
TAIL: Final = 60
"""Last lines of a log that stand on the page."""


def page(outcome: Outcome) -> str:
    """Return the page; every text of the outcome is escaped."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    return environment.get_template("page.html.j2").render(
        outcome=outcome,
        marks=MARKS,
        moment=moment,
        seconds=seconds,
        steps=list(dict.fromkeys(step["name"] for step in outcome.facts["steps"])),
        failures=list(_failures(outcome)),
        baseline=outcome.baseline,
        changes=list(changes(outcome)),
        sizes=list(_sizes(outcome)),
        times=list(_times(outcome)),
        images=[_image(outcome, variant) for variant in outcome.variants],
    )


def _failures(outcome: Outcome) -> Iterator[dict[str, Any]]:
    """Yield every failure; the end of a log comes with the first one that it tells of."""
    shown: set[str] = set()
    for one in outcome.of_status(FAILED):
        path = outcome.folder / one.file
        log = ""
        if one.file and one.file not in shown and path.exists():
            log = "\n".join(path.read_text(errors="replace").rstrip().splitlines()[-TAIL:])
        shown.add(one.file)
        yield {"check": one, "lines": outcome.lines(one.variant, one.step), "log": log}


def _sizes(outcome: Outcome) -> Iterator[dict[str, Any]]:
    """Yield two bars per image, raw and as it is pulled, with a mark where its budget ends."""
    found = {variant: sizes for variant in outcome.variants if (sizes := outcome.sizes(variant))}
    budgets = outcome.facts["budgets"]
    raw_budgets = [(budgets.get(variant, {}).get("raw_mb") or 0) * 1e6 for variant in found]
    most = max([*raw_budgets, *(sizes["raw_bytes"] for sizes in found.values())], default=1)
    for variant, sizes in found.items():
        for kind, label, key in (("raw_bytes", variant, "raw_mb"), ("zstd_bytes", "as zstd", "zstd_mb")):
            limit = budgets.get(variant, {}).get(key)
            yield {
                "label": label,
                "share": sizes[kind] / most,
                "told": f"{mb(sizes[kind])} MB" + (f" of {limit}" if limit else ""),
                "kind": kind,
                "limit": limit * 1e6 / most if limit else None,
            }


def _times(outcome: Outcome) -> Iterator[dict[str, Any]]:
    """Yield a bar per step: seconds in this call, near 0 where the engine had the result."""
    steps = [step for step in outcome.facts["steps"] if not step["skipped"]]
    most = max((step["seconds"] for step in steps), default=0) or 1
    for step in steps:
        label = f"{step['variant']} {step['name']}"
        yield {"label": label, "share": step["seconds"] / most, "told": seconds(step["seconds"])}


def _image(outcome: Outcome, variant: str) -> dict[str, Any]:
    sizes, covered = outcome.sizes(variant), outcome.covered(variant)
    told = [f"{mb(sizes['raw_bytes'])} MB, {mb(sizes['zstd_bytes'])} MB as zstd"] if sizes else []
    told += [f"{covered:.0%} of the lines run by its tests"] if covered is not None else []
    steps = [step for step in outcome.facts["steps"] if step["variant"] == variant]
    return {
        "variant": variant,
        "told": "; ".join(told),
        "tiles": list(tiles(outcome.layers(variant))),
        "packages": list(package_table(outcome.components(variant))),
        "findings": list(found_table(outcome.scan(variant))),
        "steps": [{**step, "checks": _sorted(outcome.of_step(variant, step["name"]))} for step in steps],
    }


def _sorted(checks: list[Check]) -> list[Check]:
    return sorted(checks, key=lambda one: ORDER.index(one.status))
