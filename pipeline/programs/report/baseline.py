"""What changed since an earlier report: sizes, packages, vulnerabilities, checks."""

from collections.abc import Iterator
from typing import Any, Final

from report.facts import Outcome
from report.words import mb

PACKAGES: Final = ("pkg:deb/", "pkg:pypi/", "pkg:huggingface/")
"""What is compared by name; crates that are linked into a wheel change with the wheel."""
GROWTH: Final = 0.005
"""Share by which a size must differ to be worth a line."""


def images(outcome: Outcome) -> dict[str, Any]:
    """Return what a later report compares itself with, by variant."""
    return {
        variant: {
            **outcome.sizes(variant),
            "packages": {
                one["name"]: one.get("version", "")
                for one in outcome.components(variant)
                if str(one.get("purl", "")).startswith(PACKAGES)
            },
            "findings": sorted(one["id"] for one in outcome.scan(variant).get("findings", ())),
        }
        for variant in outcome.variants
    }


def changes(outcome: Outcome) -> Iterator[dict[str, str]]:
    """Yield a line for each thing that is not as it was; what the baseline does not have is no line."""
    before = outcome.baseline.get("images", {})
    for variant, now in images(outcome).items():
        then = before.get(variant)
        if then is None:
            continue
        yield from _sizes(variant, then, now)
        yield from _packages(variant, then["packages"], now["packages"])
        yield from _findings(variant, set(then["findings"]), set(now["findings"]))
    yield from _checks(outcome)


def _sizes(variant: str, then: dict[str, Any], now: dict[str, Any]) -> Iterator[dict[str, str]]:
    for key, label in (("raw_bytes", "uncompressed"), ("zstd_bytes", "as zstd")):
        if key not in then or key not in now or abs(now[key] - then[key]) < GROWTH * then[key]:
            continue
        grown = now[key] > then[key]
        change = f"{'+' if grown else ''}{(now[key] - then[key]) / 1e6:.1f} MB"
        yield _row(f"{variant} {label}", f"{mb(then[key])} MB", f"{mb(now[key])} MB", change, worse=grown)


def _packages(variant: str, then: dict[str, str], now: dict[str, str]) -> Iterator[dict[str, str]]:
    for name in sorted({*then, *now}):
        if then.get(name) != now.get(name):
            kind = "new" if name not in then else "gone" if name not in now else "changed"
            yield _row(f"{variant} {name}", then.get(name, "-"), now.get(name, "-"), kind)


def _findings(variant: str, then: set[str], now: set[str]) -> Iterator[dict[str, str]]:
    for name in sorted(then ^ now):
        new = name in now
        yield _row(
            f"{variant} {name}", "-" if new else "open", "open" if new else "-", "vulnerability", worse=new
        )


def _checks(outcome: Outcome) -> Iterator[dict[str, str]]:
    before = {_key(one): one["status"] for one in outcome.baseline.get("checks", ())}
    for one in outcome.checks:
        then = before.get((one.variant, one.step, one.name))
        if then is not None and then != one.status and "failed" in {then, one.status}:
            worse = one.status == "failed"
            yield _row(f"{one.variant} {one.step}: {one.name}", then, one.status, "check", worse=worse)


def _key(check: dict[str, Any]) -> tuple[str, str, str]:
    return check["variant"], check["step"], check["name"]


def _row(what: str, then: str, now: str, change: str, *, worse: bool | None = None) -> dict[str, str]:
    verdict = "" if worse is None else "worse" if worse else "better"
    return {"what": what, "then": then, "now": now, "change": change, "verdict": verdict}
