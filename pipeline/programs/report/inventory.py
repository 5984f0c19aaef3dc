"""Rows of the tables of packages and vulnerabilities."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

KINDS: Final = {"deb": "Debian", "pypi": "Python", "huggingface": "model", "cargo": "Rust, linked in"}
SEVERITIES: Final = ("unknown", "none", "low", "medium", "high", "critical")
"""From the one that sorts first."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell, and the number that it sorts by."""

    text: str
    value: float | None = None


Row = tuple[Cell, ...]


def package_table(components: Sequence[dict[str, Any]]) -> Iterator[Row]:
    """Yield name, version, kind and licences of every component of a CycloneDX list."""
    for one in sorted(components, key=lambda one: str(one.get("name")).lower()):
        kind = str(one.get("purl", "")).removeprefix("pkg:").partition("/")[0]
        yield (
            Cell(str(one.get("name", ""))),
            Cell(str(one.get("version", ""))),
            Cell(KINDS.get(kind, kind or str(one.get("type", "")))),
            Cell(_licences(one)),
        )


def found_table(scan: dict[str, Any]) -> Iterator[Row]:
    """Yield every finding of a scan, the worst first; one that the configuration accepts says until when."""
    accepted = {one["id"]: f"accepted until {one['until']}" for one in scan.get("ignored", ())}
    for one in sorted(scan.get("findings", ()), key=lambda one: -_rank(one)):
        yield (
            Cell(str(one["id"])),
            Cell(f"{one['component']} {one['version']}"),
            Cell(str(one["severity"]), _rank(one)),
            Cell(", ".join(one.get("fixed") or ()) or "no version"),
            Cell(accepted.get(one["id"], "open")),
        )


def _rank(finding: dict[str, Any]) -> int:
    severity = finding["severity"]
    return SEVERITIES.index(severity) if severity in SEVERITIES else 0


def _licences(component: dict[str, Any]) -> str:
    names = []
    for one in component.get("licenses", ()):
        licence = one.get("license", {})
        names.append(one.get("expression") or licence.get("id") or licence.get("name") or "")
    return " AND ".join(filter(None, names)) or "not named"
