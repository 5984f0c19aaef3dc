"""Read where containers-storage keeps the layers of an image; starts no process and writes nothing.

Layout below the root (driver overlay)::

    overlay-images/images.json   image id -> its top layer
    overlay-layers/layers.json   layer id -> the layer below it
    overlay-containers/containers.json   working container -> its writable layer
    overlay/<layer>/diff         the files of one layer
    overlay-images/<image>/=<base64 of "sha256:<image>">   its configuration
"""

import base64
import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

INDEXES: Final = (
    "overlay-images/images.json",
    "overlay-layers/layers.json",
    "overlay-containers/containers.json",
)

OWN: Final = "wheelhouse-own"
"""Empty file next to `diff`, removed with the layer."""


@lru_cache(maxsize=8)
def _parsed(path: Path, _version: tuple[int, ...]) -> list[dict[str, Any]]:
    """Return an index, read once per version: 2 MB, 20 ms, and asked for by every layer's check."""
    listed: list[dict[str, Any]] = json.loads(path.read_text()) or []
    return listed


@lru_cache(maxsize=8)
def _linked(path: Path, version: tuple[int, ...], link: str) -> dict[str, str]:
    """Return id -> what a field of an index names, made once per version."""
    return {one["id"]: one.get(link, "") for one in _parsed(path, version)}


@dataclass(frozen=True, slots=True)
class LayerStack:
    """Know the layers of one storage."""

    root: Path

    def _index(self, name: str) -> list[dict[str, Any]]:
        path = self.root / name
        try:
            return _parsed(path, _version(path))
        except (FileNotFoundError, ValueError):
            return []

    def _links(self, name: str, link: str) -> dict[str, str]:
        path = self.root / name
        try:
            return _linked(path, _version(path), link)
        except (FileNotFoundError, ValueError):
            return {}

    def damaged(self) -> list[str]:
        """Return the indexes that are there but cannot be read; each is replaced whole, never half."""
        return [name for name in INDEXES if not self._is_readable(self.root / name)]

    def _is_readable(self, path: Path) -> bool:
        try:
            return isinstance(_parsed(path, _version(path)), list)
        except FileNotFoundError:
            return True
        except ValueError:
            return False

    def images(self) -> set[str]:
        """Return the ids of the images."""
        return {image["id"] for image in self._index("overlay-images/images.json")}

    def layers(self, image: str) -> tuple[str, ...]:
        """Return an image's layers, the top one first; none for an image that is not there."""
        tops = self._links("overlay-images/images.json", "layer")
        below = self._links("overlay-layers/layers.json", "parent")
        chain: list[str] = []
        layer = tops.get(image, "")
        while layer in below:
            chain.append(layer)
            layer = below[layer]
        return tuple(chain)

    def all_layers(self) -> set[str]:
        """Return the ids of all layers."""
        return set(self._links("overlay-layers/layers.json", "parent"))

    def working_layer(self, container: str) -> str:
        """Return the writable layer of a working container by its name; KeyError without one."""
        listed = self._index("overlay-containers/containers.json")
        layers = {name: one["layer"] for one in listed for name in one.get("names") or []}
        return str(layers[container])

    def containers(self) -> list[str]:
        """Return the names of the working containers."""
        listed = self._index("overlay-containers/containers.json")
        return [name for one in listed for name in one.get("names") or []]

    def folder(self, layer: str) -> Path:
        """Return the folder of one layer."""
        return self.root / "overlay" / layer

    def mark_own(self, layer: str) -> None:
        """Note that this engine made a layer; others are as a registry or an archive has them."""
        (self.folder(layer) / OWN).touch()

    def own(self, image: str) -> tuple[bool, ...]:
        """Say of each layer of an image, the lowest first, whether this engine made it."""
        return tuple((self.folder(layer) / OWN).exists() for layer in reversed(self.layers(image)))

    def config(self, image: str) -> bytes | None:
        """Return an image's configuration, whose sha256 is the image's id; None where it is not whole."""
        name = base64.b64encode(f"sha256:{image}".encode()).decode()
        try:
            content = (self.note(image) / f"={name}").read_bytes()
        except OSError:
            return None
        return content if hashlib.sha256(content).hexdigest() == image else None

    def note(self, image: str) -> Path:
        """Return the folder of an image's own documents; as old as the image."""
        return self.root / "overlay-images" / image


def _version(path: Path) -> tuple[int, ...]:
    seen = path.stat()
    return seen.st_ino, seen.st_mtime_ns, seen.st_size
