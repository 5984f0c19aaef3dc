"""https://…: a folder of files, one file, or an archive of them; the lock's sha256 is the proof."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self
from urllib.parse import quote, urlsplit

import httpx

from models.archive import ARCHIVE_SUFFIXES, extract
from models.download import Request
from models.errors import ModelError, SourceError
from models.sources.interface import FetchContext, Missing, Wanted, download_each

LOOPBACK: Final = re.compile(r"http://(127\.0\.0\.1|localhost|\[::1\])(:\d+)?(/.*)?")


@dataclass(frozen=True, slots=True)
class Web:
    """One address."""

    uri: str
    revision: str = ""

    @classmethod
    def parse(cls, uri: str) -> Self:
        """Read the URI; ModelError for plain http beyond this machine or credentials inside."""
        if not uri.startswith("https://") and not LOOPBACK.fullmatch(uri):
            raise ModelError(f"{uri}: expected https://")
        if "@" in urlsplit(uri).netloc:
            raise ModelError("https source: found credentials in the address, expected none")
        return cls(uri)

    def fetch(self, wanted: Sequence[Wanted], desk: FetchContext) -> dict[str, Path]:
        """Download an archive once, or each file below the address."""
        if self.uri.lower().endswith(ARCHIVE_SUFFIXES):
            name = Wanted(urlsplit(self.uri).path.rsplit("/", 1)[-1])
            request = Request(self.uri, explain=_explain)
            archive = download_each(self.uri, [name], desk, lambda _: request)[name.path]
            targets = {item.path: desk.partial(self.uri, item) for item in wanted}
            return extract(archive, targets, limits=wanted)
        return download_each(self.uri, wanted, desk, self._request)

    def _request(self, item: Wanted) -> Request:
        whole = self.uri.rsplit("/", 1)[-1] == item.path
        url = self.uri if whole else f"{self.uri.rstrip('/')}/{quote(item.path)}"
        return Request(url, size_bytes=item.size_bytes, explain=_explain)


def _explain(response: httpx.Response) -> str:
    if response.status_code == 404:  # noqa: PLR2004 - not found
        raise Missing("HTTP 404: no such file")
    raise SourceError(f"HTTP {response.status_code}")
