"""Keep a module's bytecode away from its folder: a call must leave the caller's source as it was."""

import sys
from importlib.machinery import (
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    SourceFileLoader,
)
from pathlib import Path
from typing import Any, Final

ENGINE: Final = Path(__file__).parents[1]
OTHERS: Final = {"site-packages", "dist-packages"}
"""Folders of installed packages, which have bytecode of their own."""


def keep_bytecode(source: Path, place: Path | None) -> None:
    """Let what is imported from below `source` have its bytecode below `place`; None keeps none."""
    loader = _loader(place)

    def hook(path: str) -> FileFinder:
        if not _is_own(Path(path), source):
            raise ImportError(path)
        return FileFinder(path, (loader, SOURCE_SUFFIXES), (ExtensionFileLoader, EXTENSION_SUFFIXES))

    sys.path_hooks.insert(0, hook)
    for path in [path for path in sys.path_importer_cache if _is_own(Path(path), source)]:
        del sys.path_importer_cache[path]


def _is_own(path: Path, source: Path) -> bool:
    return path.is_relative_to(source) and not path.is_relative_to(ENGINE) and not OTHERS & set(path.parts)


def _loader(place: Path | None) -> type[SourceFileLoader]:
    class Loader(SourceFileLoader):
        """Read and write bytecode elsewhere, and everything else as Python does."""

        def get_data(self, path: str | bytes) -> bytes:
            """Return the bytes of a file; of bytecode, those that are kept elsewhere."""
            kept = _kept(str(path), place)
            if kept is None:
                raise OSError(f"no bytecode is kept for {path!r}")
            return super().get_data(kept)

        def set_data(self, path: str, data: Any, *, _mode: int = 0o666) -> None:
            """Write bytecode elsewhere, or nowhere."""
            kept = _kept(path, place)
            if kept is not None and not sys.dont_write_bytecode:
                super().set_data(kept, data, _mode=_mode)

    return Loader


def _kept(path: str, place: Path | None) -> str | None:
    """Return where a file is looked for; None for bytecode that is not kept."""
    if not path.endswith(".pyc"):
        return path
    return str(place / path.lstrip("/")) if place else None
