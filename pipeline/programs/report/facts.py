"""What a report is made from."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree as ET

from report.checks import FAILED, PASSED, SKIPPED, UNSCANNED, Check, checks_of

VERSION: Final = 1
"""Of facts.json and report.json; another one is refused."""
BASELINE: Final = "baseline.json"
SBOM: Final = "sbom.cdx.json"


@dataclass(frozen=True, slots=True)
class Outcome:
    """Everything that a run of `ci` found out."""

    folder: Path
    facts: dict[str, Any]
    checks: tuple[Check, ...]
    baseline: dict[str, Any]
    """report.json of an earlier run; empty for none."""

    @classmethod
    def read(cls, folder: Path, facts: dict[str, Any]) -> "Outcome":
        """Return the outcome whose inputs are in a folder."""
        found = tuple(check for step in facts["steps"] for check in checks_of(folder, step))
        earlier = _read(folder / BASELINE)
        return cls(folder, facts, found, earlier if earlier.get("version") == VERSION else {})

    @property
    def variants(self) -> list[str]:
        """Return the variants in the order they were asked for."""
        return list(dict.fromkeys(step["variant"] for step in self.facts["steps"]))

    @property
    def status(self) -> str:
        """Return failed when anything did, or when nothing was found to be right."""
        return PASSED if not self.of_status(FAILED) and self.of_status(PASSED) else FAILED

    def of_status(self, status: str) -> list[Check]:
        """Return the checks that ended so."""
        return [one for one in self.checks if one.status == status]

    def of_step(self, variant: str, step: str) -> list[Check]:
        """Return the checks of one step."""
        return [one for one in self.checks if (one.variant, one.step) == (variant, step)]

    def step_status(self, variant: str, step: str) -> str:
        """Return what is said of a step: failed, or passed, or skipped where nothing was run.

        A scan is passed only when every part of the image was scanned.
        """
        found = {one.status for one in self.of_step(variant, step)}
        return next((one for one in (FAILED, UNSCANNED, PASSED) if one in found), SKIPPED)

    def cell(self, variant: str, step: str) -> str:
        """Return the numbers of one step, short: `3`, `1 of 4 failed`, `3, 1 skipped`."""
        counts = Counter(one.status for one in self.of_step(variant, step))
        failed, passed = counts[FAILED], counts[PASSED]
        told = [f"{failed} of {counts.total()} failed"] if failed else [str(passed)] if passed else []
        return ", ".join([*told, *(f"{counts[one]} {one}" for one in (SKIPPED, UNSCANNED) if counts[one])])

    def counted(self, checks: Sequence[Check]) -> str:
        """Return `3 passed, 1 failed`."""
        counts = Counter(one.status for one in checks)
        return ", ".join(
            f"{counts[status]} {status}" for status in (PASSED, FAILED, SKIPPED, UNSCANNED) if counts[status]
        )

    def lines(self, variant: str, step: str) -> dict[str, str]:
        """Return the command lines that do a step again, by program."""
        found = next(one for one in self.facts["steps"] if (one["variant"], one["name"]) == (variant, step))
        return {"dagger": found["dagger"], "wheelhouse": found["wheelhouse"]}

    def sizes(self, variant: str) -> dict[str, int]:
        """Return raw_bytes and zstd_bytes of an image; empty where it was not measured."""
        found = _read(self.folder / variant / "layers" / "layers.json")
        return {key: found[key] for key in ("raw_bytes", "zstd_bytes") if key in found}

    def layers(self, variant: str) -> list[dict[str, Any]]:
        """Return the layers of an image with the bytes of their packages."""
        return list(_read(self.folder / variant / "layers" / "layers.json").get("layers", ()))

    def components(self, variant: str) -> list[dict[str, Any]]:
        """Return the components of an image's SBOM."""
        return list(_read(self.folder / variant / "scan" / SBOM).get("components", ()))

    def scan(self, variant: str) -> dict[str, Any]:
        """Return what the scan of an image found; empty where it was not scanned."""
        return _read(self.folder / variant / "scan" / "findings.json")

    def covered(self, variant: str) -> float | None:
        """Return the share of lines that the service's own tests ran, 0 to 1; None where nobody counted."""
        path = self.folder / variant / "test" / "coverage.xml"
        if not path.exists():
            return None
        rate = ET.parse(path).getroot().get("line-rate")  # noqa: S314 - written by our own container
        return float(rate) if rate else None

    def files(self, variant: str) -> list[str]:
        """Return what the steps of a variant left, relative to the report."""
        found = (self.folder / variant).rglob("*")
        return sorted(str(path.relative_to(self.folder)) for path in found if path.is_file())

    def picture(self, place: str) -> str:
        """Return an SVG of the inputs; "" where there is none, or one that holds more than a drawing."""
        path = self.folder / place
        if not path.exists():
            return ""
        text = path.read_text()
        return text if _is_drawing(text) else ""


def _read(path: Path) -> dict[str, Any]:
    """Return a JSON object; empty where there is none, or none that can be read: a check says so."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _is_drawing(svg: str) -> bool:
    """Tell whether an SVG can stand in a page: shapes and texts alone, nothing that runs or loads."""
    try:
        parts = list(ET.fromstring(svg).iter())  # noqa: S314 - no entity can be defined in what audit writes
    except ET.ParseError:
        return False
    names = {str(part.tag).rpartition("}")[2] for part in parts}
    attributes = {key.rpartition("}")[2].lower() for part in parts for key in part.attrib}
    allowed = {"svg", "g", "rect", "line", "path", "text", "title", "style"}
    return names <= allowed and not any(key.startswith("on") or key == "href" for key in attributes)
