"""Read a CycloneDX list: its components, its edges, and what binds it to an image."""

import json
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scan.errors import BillError
from scan.facts import Component

EXPECTED = "what `sbom` writes (CycloneDX JSON)"


@dataclass(frozen=True, slots=True)
class Bill:
    """A software list as the scan reads it."""

    serial: str
    service: str
    """Reference of the service."""
    components: tuple[Component, ...]
    """Components and their parts."""
    edges: dict[str, tuple[str, ...]]
    properties: dict[str, str]
    system: str
    """Operating system: debian, …; "" for none."""
    base_sites: dict[str, str]
    """Package URL -> folder of Python distributions that the base image has."""

    @classmethod
    def load(cls, path: Path) -> "Bill":
        """Return the list in a file.

        Raises:
            BillError: no JSON, not CycloneDX, or without components.

        """
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise BillError(f"{path.name}: {error}; expected {EXPECTED}. Make it anew.") from error
        if not isinstance(document, dict) or document.get("bomFormat") != "CycloneDX":
            raise BillError(f"{path.name} is no CycloneDX list; expected {EXPECTED}. Make it anew.")
        entries = document.get("components") or []
        if not entries:
            raise BillError(f"{path.name} lists no component; expected {EXPECTED}. Make it anew.")
        metadata = document.get("metadata", {})
        systems = [entry["name"] for entry in entries if entry.get("type") == "operating-system"]
        return cls(
            serial=str(document.get("serialNumber", "")),
            service=str(metadata.get("component", {}).get("bom-ref", "")),
            components=tuple(_components(entries)),
            edges={one["ref"]: tuple(one.get("dependsOn", ())) for one in document.get("dependencies", [])},
            properties={one["name"]: one["value"] for one in metadata.get("properties", [])},
            system=systems[0] if systems else "",
            base_sites={
                str(entry.get("purl")): one["value"]
                for entry in entries
                for one in entry.get("properties", [])
                if one["name"] == "wheelhouse:base-site"
            },
        )

    def of(self, ecosystem: str) -> list[Component]:
        """Return the components of one ecosystem."""
        return [component for component in self.components if component.ecosystem == ecosystem]

    def requirer(self, purl: str) -> str:
        """Return the shortest way from the service's own requirements: "fastapi > starlette"."""
        if site := self.base_sites.get(purl):
            return f"the base image ({site})"
        queue: deque[tuple[str, ...]] = deque([(self.service,)])
        seen = {self.service}
        while queue:
            way = queue.popleft()
            if way[-1] == purl:
                return " > ".join(_name(ref) for ref in way[1:])
            for ref in self.edges.get(way[-1], ()):
                if ref not in seen:
                    seen.add(ref)
                    queue.append((*way, ref))
        return "the base image" if purl.startswith("pkg:deb/") else "the lock alone"


def _components(entries: list[dict[str, Any]]) -> list[Component]:
    found: list[Component] = []
    for entry in entries:
        properties = {one["name"]: one["value"] for one in entry.get("properties", [])}
        if purl := str(entry.get("purl", "")):
            source = properties.get("wheelhouse:source", "")
            version = properties.get("wheelhouse:source-version", "")
            found.append(Component(str(entry["name"]), str(entry.get("version", "")), purl, source, version))
        found += _components(entry.get("components", []))
    return found


def _name(ref: str) -> str:
    return ref.rpartition("/")[2].partition("@")[0]
