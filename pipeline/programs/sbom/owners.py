"""Find the component that each file of an image belongs to."""

import posixpath
import re
from collections.abc import Sequence
from typing import Final

from sbom.places import Owned
from sbom.tree import Tree

CACHED: Final = re.compile(
    r"^(?P<folder>.*/)__pycache__/(?P<stem>[^/.]+(?:\.[^/]*?)?)\.cpython-\d+(?:\.opt-\d)?\.pyc$"
)
DEPTH: Final = 8
"""Longest chain of links that is followed."""


def owners(tree: Tree, claims: dict[str, str], owned: Sequence[Owned]) -> dict[str, str]:
    """Return path -> component reference, "" where no component owns the path.

    Args:
        tree: the image.
        claims: path -> reference, from the packages' own records.
        owned: components that own what their pattern matches, first match wins.

    A bytecode file belongs to its source's owner even where the source was left out; a link to the
    owner of what it points to.

    """
    return {path: _owner(tree, path, claims, owned, DEPTH) for path in tree.paths}


def _owner(tree: Tree, path: str, claims: dict[str, str], owned: Sequence[Owned], depth: int) -> str:
    for candidate in (path, *_sources(path)):
        if candidate in claims:
            return claims[candidate]
    for one in owned:
        if one.pattern.match(path):
            return one.component.ref
    if tree.paths.get(path) and depth:
        return _owner(tree, tree.target(path), claims, owned, depth - 1)
    return ""


def _sources(path: str) -> list[str]:
    """Return the sources that a bytecode file may have been compiled from."""
    if match := CACHED.match(path):
        return [f"{match['folder']}{match['stem']}.py"]
    if path.endswith(".pyc"):
        return [posixpath.splitext(path)[0] + ".py"]
    return []
