"""oci://registry/repository@sha256:…: files or archives as layers of an OCI artifact."""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlencode

import httpx

from models.archive import extract
from models.download import Request
from models.errors import ModelError, SourceError
from models.sources.interface import FetchContext, Missing, Wanted, download_each

FORM: Final = re.compile(
    r"oci://(?P<registry>[A-Za-z0-9.-]+(?::\d+)?)/(?P<repository>[a-z0-9][a-z0-9._/-]*)"
    r"@(?P<digest>sha256:[0-9a-f]{64})"
)
TITLE: Final = "org.opencontainers.image.title"
MANIFEST_TYPES: Final = "application/vnd.oci.image.manifest.v1+json"
LOCAL: Final = ("localhost", "127.0.0.1")
CHALLENGE: Final = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True, slots=True)
class Artifact:
    """One artifact by the digest of its manifest."""

    uri: str
    registry: str
    repository: str
    revision: str

    @classmethod
    def parse(cls, uri: str) -> Self:
        """Read the URI; ModelError for a tag instead of a digest."""
        form = FORM.fullmatch(uri)
        if not form:
            raise ModelError(f"{uri}: expected oci://registry/repository@sha256:<64 hex>; a tag can move")
        return cls(uri, form["registry"], form["repository"], form["digest"])

    def fetch(self, wanted: Sequence[Wanted], desk: FetchContext) -> dict[str, Path]:
        """Download the layers titled like the wanted files, else look into tar layers."""
        headers = self._login(desk)
        layers = self._layers(desk, headers)
        titled = {layer.get("annotations", {}).get(TITLE): layer for layer in layers}
        direct = [item for item in wanted if item.path in titled]
        found = download_each(self.uri, direct, desk, lambda item: self._blob(titled[item.path], headers))
        rest = [item for item in wanted if item.path not in titled]
        for layer in layers:
            if rest and "tar" in str(layer.get("mediaType", "")):
                found |= self._unpack(layer, rest, desk, headers)
        missing = [item.path for item in wanted if item.path not in found and not item.optional]
        if missing:
            raise Missing(f"no layer holds {', '.join(missing)}")
        return found

    def _unpack(
        self, layer: dict[str, Any], wanted: Sequence[Wanted], desk: FetchContext, headers: dict[str, str]
    ) -> dict[str, Path]:
        blob = Wanted("layer.tar", str(layer["digest"]).removeprefix("sha256:"), int(layer["size"]))
        archive = download_each(self.uri, [blob], desk, lambda _: self._blob(layer, headers))[blob.path]
        optional = [Wanted(i.path, i.sha256, i.size_bytes, optional=True) for i in wanted]
        return extract(archive, {item.path: desk.partial(self.uri, item) for item in wanted}, limits=optional)

    def _layers(self, desk: FetchContext, headers: dict[str, str]) -> list[dict[str, Any]]:
        url = f"{self._base}/manifests/{self.revision}"
        text = desk.downloader.text(
            Request(url, {**headers, "Accept": MANIFEST_TYPES}, explain=self._explain)
        )
        digest = "sha256:" + hashlib.sha256(text.encode()).hexdigest()
        if digest != self.revision:
            raise SourceError(f"the registry served manifest {digest}, expected {self.revision}")
        return [layer for layer in json.loads(text).get("layers", []) if isinstance(layer, dict)]

    def _login(self, desk: FetchContext) -> dict[str, str]:
        """Ask for an anonymous pull token where the registry wants one."""
        challenges: list[str] = []

        def remember(response: httpx.Response) -> str:
            challenges.append(response.headers.get("WWW-Authenticate", ""))
            return "login"

        try:
            desk.downloader.text(Request(f"{self._base.split('/v2/')[0]}/v2/", explain=remember))
        except SourceError:
            if not challenges or not challenges[0].lower().startswith("bearer"):
                raise
        if not challenges:
            return {}
        fields = dict(CHALLENGE.findall(challenges[0]))
        scope = f"repository:{self.repository}:pull"
        query = urlencode({"service": fields.get("service", ""), "scope": scope})
        answer = json.loads(desk.downloader.text(Request(f"{fields.get('realm', '')}?{query}")))
        return {"Authorization": f"Bearer {answer.get('token') or answer.get('access_token')}"}

    def _blob(self, layer: dict[str, Any], headers: dict[str, str]) -> Request:
        url = f"{self._base}/blobs/{layer['digest']}"
        return Request(url, headers, int(layer["size"]), explain=self._explain)

    @property
    def _base(self) -> str:
        scheme = "http" if self.registry.split(":")[0] in LOCAL else "https"
        return f"{scheme}://{self.registry}/v2/{self.repository}"

    def _explain(self, response: httpx.Response) -> str:
        wanted = f"{self.repository}@{self.revision[:19]}"
        return f"{self.registry} lacks {wanted} or does not show it ({response.reason_phrase})"
