"""What every source offers: raw bytes of the wanted files, unchecked."""

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from models.download import Downloader, Request
from models.errors import SourceError

PARALLEL: Final = 4  # files downloaded at a time


@dataclass(frozen=True, slots=True)
class Wanted:
    """One file to bring."""

    path: str
    """Path inside the model, with forward slashes."""
    sha256: str | None = None
    """Hex digest; None while a lock is being written."""
    size_bytes: int | None = None
    optional: bool = False
    """True when the source may lack it."""


@dataclass(frozen=True, slots=True)
class HubAccess:
    """How to reach the model hub."""

    endpoint: str
    """URL without a slash at its end."""
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class FetchContext:
    """What a source works with."""

    model: str
    downloader: Downloader
    scratch: Path
    """Directory that outlives a killed run when --cache is given."""
    hub: HubAccess
    service: Path | None = None
    """The service's directory, for dir:// sources."""

    def partial(self, uri: str, wanted: Wanted) -> Path:
        """Return where the bytes of a file are collected: the same path on the next run."""
        key = wanted.sha256 or hashlib.sha256(f"{uri} {wanted.path}".encode()).hexdigest()
        directory = self.scratch / "partial"
        directory.mkdir(parents=True, exist_ok=True)
        return directory / key


class Source(Protocol):
    """One declared place of a model's files."""

    @property
    def uri(self) -> str:
        """Return the place as it was declared."""

    @property
    def revision(self) -> str:
        """Return the commit, version or digest that the place pins; "" when it pins none."""

    def fetch(self, wanted: Sequence[Wanted], desk: FetchContext) -> dict[str, Path]:
        """Return a local file with the bytes of each wanted path; optional ones may be absent.

        Raises:
            SourceError: a file cannot be had here.

        """


class Missing(SourceError):  # noqa: N818 - an answer, not a fault
    """The source is there and does not have this file."""


def download_each(
    uri: str, wanted: Sequence[Wanted], desk: FetchContext, request: Callable[[Wanted], Request]
) -> dict[str, Path]:
    """Download files side by side; the first failure stops the rest that have not started."""

    def bring(item: Wanted) -> Path | None:
        target = desk.partial(uri, item)
        try:
            desk.downloader.file(request(item), target)
        except Missing:
            if item.optional:
                return None
            raise
        except SourceError as error:
            raise SourceError(f"{item.path}: {error}") from error
        return target

    with ThreadPoolExecutor(PARALLEL) as pool:
        pending = {item.path: pool.submit(bring, item) for item in wanted}
        try:
            found = {path: future.result() for path, future in pending.items()}
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return {path: file for path, file in found.items() if file is not None}
