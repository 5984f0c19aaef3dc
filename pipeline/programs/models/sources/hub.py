"""hf://owner/name@<40-hex commit>: a repository of the Hugging Face hub or a mirror."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self
from urllib.parse import quote

import httpx

from models.download import Request
from models.errors import ModelError, SourceError
from models.sources.interface import FetchContext, HubAccess, Missing, Wanted, download_each

FORM: Final = re.compile(r"hf://(?P<repo>[\w.-]+/[\w.-]+)(?:@(?P<revision>.*))?")
COMMIT: Final = re.compile(r"[0-9a-f]{40}")
DENIED: Final = (401, 403)
NOT_FOUND: Final = 404


@dataclass(frozen=True, slots=True)
class Hub:
    """One commit of one repository."""

    uri: str
    repository: str
    revision: str

    @classmethod
    def parse(cls, uri: str) -> Self:
        """Read the URI; ModelError for a branch, a tag or no revision at all."""
        form = FORM.fullmatch(uri)
        if not form:
            raise ModelError(f"{uri}: expected hf://owner/name@<40-hex commit>")
        revision = form["revision"] or ""
        if not COMMIT.fullmatch(revision):
            found = f"revision {revision!r}, which can move" if revision else "no revision"
            raise ModelError(
                f"{uri}: found {found}; expected the 40-hex commit. "
                f"Take it from the repository's list of commits: hf://{form['repo']}@<commit>"
            )
        return cls(uri, form["repo"], revision)

    def fetch(self, wanted: Sequence[Wanted], desk: FetchContext) -> dict[str, Path]:
        """Download each file through the hub's resolve address."""
        return download_each(self.uri, wanted, desk, lambda item: self._request(item, desk.hub))

    def _request(self, item: Wanted, hub: HubAccess) -> Request:
        url = f"{hub.endpoint}/{self.repository}/resolve/{self.revision}/{quote(item.path)}"
        headers = {"Authorization": f"Bearer {hub.token}"} if hub.token else {}
        return Request(
            url,
            headers,
            item.size_bytes,
            inspect=lambda response: self._inspect(response, item),
            explain=lambda response: self._explain(response, hub),
        )

    def _inspect(self, response: httpx.Response, item: Wanted) -> None:
        commit = response.headers.get("X-Repo-Commit", self.revision)
        if commit != self.revision:
            raise SourceError(f"the hub served commit {commit}, expected {self.revision}")
        linked = response.headers.get("X-Linked-Etag", "").strip('"')
        if item.sha256 and re.fullmatch(r"[0-9a-f]{64}", linked) and linked != item.sha256:
            raise SourceError(f"the hub has sha256 {linked}, models.lock has {item.sha256}")

    def _explain(self, response: httpx.Response, hub: HubAccess) -> str:
        code = response.headers.get("X-Error-Code", "")
        page = f"{hub.endpoint}/{self.repository}"
        if code == "RevisionNotFound":
            return f"no commit {self.revision} in {self.repository}"
        if code == "EntryNotFound" or (response.status_code == NOT_FOUND and not code):
            raise Missing(f"HTTP {response.status_code}: not in {self.repository}@{self.revision[:12]}")
        if response.status_code in DENIED and hub.token:
            return (
                f"the token given does not open {self.repository}. Accept the conditions at {page} "
                "with its account, and check that the token may read this repository"
            )
        if response.status_code in DENIED:
            return (
                f"{self.repository} is gated, private or absent, and no token was given. "
                f"Accept the conditions at {page}, then pass --hf-token=env://HF_TOKEN"
            )
        return f"no repository {self.repository}"
