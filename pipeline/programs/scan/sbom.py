"""Read a CycloneDX list: its components, its edges, and what binds it to an image."""

import json
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

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
    files: int
    """Files of the image; 0 where the list does not say."""
    unowned: int
    """Files of it that no component owns."""
    system: str
    """Operating system: debian, …; "" for none."""
    base_sites: dict[str, str]
    """Package URL -> folder of Python distributions that the base image has."""

    @classmethod
    def load(cls, path: Path) -> "Bill":
        """Return the list in a file.

        Raises:
            BillError: no JSON, not CycloneDX, without components, or a field of another kind.

        """
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise BillError(f"{path.name}: {error}; expected {EXPECTED}. Create it again.") from error
        if not isinstance(document, dict) or document.get("bomFormat") != "CycloneDX":
            raise BillError(f"{path.name} is not a CycloneDX SBOM; expected {EXPECTED}. Create it again.")
        if not document.get("components"):
            raise BillError(f"{path.name} lists no component; expected {EXPECTED}. Create it again.")
        try:
            return cls._read(document)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise BillError(
                f"{path.name} has a field of another kind ({type(error).__name__}: {error}); expected "
                f"{EXPECTED}. Create it again."
            ) from error

    @classmethod
    def _read(cls, document: dict[str, Any]) -> Self:
        entries = document["components"]
        metadata = document.get("metadata", {})
        systems = [str(entry["name"]) for entry in entries if entry.get("type") == "operating-system"]
        edges = document.get("dependencies", [])
        properties = _properties(metadata)
        return cls(
            serial=str(document.get("serialNumber", "")),
            service=str(metadata.get("component", {}).get("bom-ref", "")),
            components=tuple(_components(entries)),
            edges={str(one["ref"]): tuple(map(str, one.get("dependsOn", ()))) for one in edges},
            properties=properties,
            files=int(properties.get("wheelhouse:files", "0")),
            unowned=int(properties.get("wheelhouse:files-unowned", "0")),
            system=systems[0] if systems else "",
            base_sites={
                str(entry.get("purl")): site
                for entry in entries
                if (site := _properties(entry).get("wheelhouse:base-site"))
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
        properties = _properties(entry)
        if purl := str(entry.get("purl", "")):
            source = properties.get("wheelhouse:source", "")
            version = properties.get("wheelhouse:source-version", "")
            found.append(Component(str(entry["name"]), str(entry.get("version", "")), purl, source, version))
        found += _components(entry.get("components", []))
    return found


def _properties(entry: dict[str, Any]) -> dict[str, str]:
    return {str(one["name"]): str(one["value"]) for one in entry.get("properties", [])}


def _name(ref: str) -> str:
    return ref.rpartition("/")[2].partition("@")[0]
