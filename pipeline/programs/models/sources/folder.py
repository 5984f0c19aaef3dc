"""dir://path inside the service, and the directory given with --weights."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from models.errors import ModelError, SourceError
from models.lockfile import is_inside
from models.sources.interface import FetchContext, Missing, Wanted


@dataclass(frozen=True, slots=True)
class ServiceFolder:
    """A folder of the service's own source."""

    uri: str
    path: str
    revision: str = ""

    @classmethod
    def parse(cls, uri: str) -> Self:
        """Read the URI; ModelError for a path that leaves the service."""
        path = uri.removeprefix("dir://").strip("/")
        if not uri.startswith("dir://") or not is_inside(path):
            raise ModelError(f"{uri}: expected dir://path inside the service")
        return cls(uri, path)

    def fetch(self, wanted: Sequence[Wanted], desk: FetchContext) -> dict[str, Path]:
        """Copy the files out of the service's directory."""
        if desk.service is None:
            raise SourceError("the service's directory is not mounted (--service)")
        return _copies(self.uri, [desk.service / self.path], wanted, desk)


@dataclass(frozen=True, slots=True)
class WeightsFolder:
    """A directory handed over at the call, for sites without a network."""

    directory: Path
    uri: str = "--weights"
    revision: str = ""

    def fetch(self, wanted: Sequence[Wanted], desk: FetchContext) -> dict[str, Path]:
        """Copy the files from DIR/<model>/ or DIR/ itself."""
        return _copies(self.uri, [self.directory / desk.model, self.directory], wanted, desk)


def _copies(uri: str, roots: Sequence[Path], wanted: Sequence[Wanted], desk: FetchContext) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for item in wanted:
        source = next((root / item.path for root in roots if (root / item.path).is_file()), None)
        if source is None and item.optional:
            continue
        if source is None:
            raise Missing(f"{item.path} is not in {roots[0]}")
        if not any(source.resolve().is_relative_to(root.resolve()) for root in roots):
            raise SourceError(f"{item.path} is a link that leaves {roots[0]}")
        found[item.path] = desk.partial(uri, item)
        shutil.copyfile(source, found[item.path])
    return found
