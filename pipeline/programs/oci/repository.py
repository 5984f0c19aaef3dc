"""One repository of a registry: blobs, manifests, tags, referrers."""

import hashlib
import os
import shutil
import urllib.parse
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Self

from oci.content import (
    BLOCK_BYTES,
    EMPTY_TYPE,
    LONGEST_MANIFEST_BYTES,
    MANIFEST_TYPES,
    OCI_INDEX,
    Blob,
    Document,
    Manifest,
    compact,
    require_digest,
)
from oci.credentials import Credentials, find_credentials
from oci.errors import CorruptError, NotFoundError, RegistryError, TransientError, UnknownError
from oci.references import DIGEST, RepositoryName, fallback_tag
from oci.retry import RetryPolicy
from oci.transport import Answer, Request, Transport

_CREATED, _PART = 201, 206
SUBJECT_HEADER: Final = "oci-subject"
"""Set by a registry that lists referrers itself. Source: OCI distribution specification 1.1."""


@dataclass(frozen=True, slots=True)
class Access:
    """How a registry is spoken to."""

    credentials: Credentials | None = field(default=None, repr=False)
    """None: what docker or podman know."""
    insecure: bool = False
    """Whether plain HTTP may be used beyond this machine."""
    ca_file: str = ""
    endpoint: str = ""
    """`HOST=OTHER`: who is really spoken to where HOST is named; "" for HOST itself."""
    reads: bool = False
    """Whether nothing is written: ghcr.io sells nobody a token for more than he may do."""
    patience: RetryPolicy = field(default_factory=RetryPolicy)


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository that is read and written."""

    name: RepositoryName
    transport: Transport
    patience: RetryPolicy
    mounts: tuple[str, ...] = ()
    """Paths of repositories on the same registry that may hold the same blobs."""
    actions: str = "pull,push"
    """What tokens are asked for."""

    @classmethod
    def open(cls, address: str, access: Access | None = None, mounts: Iterable[str] = ()) -> Self:
        """Return the repository of an address; nothing is asked of the registry yet.

        Plain HTTP is spoken to loopback addresses and where `access.insecure` says so, else TLS.
        """
        access = access or Access()
        name = RepositoryName.parse(address)
        plain = access.insecure or (name.loopback and not access.ca_file)
        credentials = access.credentials or find_credentials(name.domain)
        named, _, other = access.endpoint.partition("=")
        host = other if named == name.host else name.host
        transport = Transport(f"{'http' if plain else 'https'}://{host}", credentials, access.ca_file)
        actions = "pull" if access.reads else "pull,push"
        return cls(name, transport, access.patience, tuple(mounts), actions)

    def has_blob(self, digest: str) -> bool:
        """Whether the registry has a blob in this repository."""
        try:
            self._send(Request("HEAD", self._url("blobs", digest)))
        except NotFoundError:
            return False
        return True

    def push_blob(self, blob: Blob) -> bool:
        """Push a blob unless it is there or can be mounted; return whether bytes went over the wire.

        Raises:
            RegistryError: the registry refuses it, or all tries failed.

        """
        if self.has_blob(blob.digest) or any(self.mount(blob.digest, path) for path in self.mounts):
            return False
        # One operation: after a cut the registry may have lost the upload's place, so a new one is asked for.
        self.patience.attempt(f"push {blob.digest[:19]}", lambda: self._upload(blob))
        return True

    def blob(self, digest: str) -> bytes:
        """Return a small blob.

        Raises:
            CorruptError: the registry gave other bytes.

        """
        return require_digest(self._send(Request("GET", self._url("blobs", digest))).body, digest)

    def fetch_blob(self, descriptor: Document, target: Path) -> None:
        """Write a blob to a file that appears whole or not at all.

        Raises:
            CorruptError: the registry gave other bytes.

        """
        digest = descriptor["digest"]
        partial = target.with_name(f".{target.name}.partial")
        try:
            self.patience.attempt(f"pull {digest[:19]}", lambda: self._download(digest, partial))
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)

    def manifest(self, reference: str) -> Manifest:
        """Return the manifest of a tag or digest.

        Raises:
            NotFoundError: there is none.
            CorruptError: the registry gave other bytes than the digest asked for.

        """
        headers = {"Accept": ", ".join(MANIFEST_TYPES)}
        answer = self._send(Request("GET", self._url("manifests", reference), headers))
        if DIGEST.fullmatch(reference):
            require_digest(answer.body, reference)
        return Manifest(answer.body, answer.headers.get("content-type", "").partition(";")[0])

    def digest(self, reference: str) -> str | None:
        """Return the digest that a tag names, or None where there is no such tag."""
        headers = {"Accept": ", ".join(MANIFEST_TYPES)}
        try:
            answer = self._send(Request("HEAD", self._url("manifests", reference), headers))
            return answer.headers.get("docker-content-digest") or self.manifest(reference).digest
        except NotFoundError:
            return None

    def put_manifest(self, manifest: Manifest, reference: str = "") -> Answer:
        """Store a manifest under a tag, or under its digest when no tag is given.

        Raises:
            CorruptError: the registry says that it stored other bytes.

        """
        if len(manifest.content) > LONGEST_MANIFEST_BYTES:
            raise RegistryError(
                f"manifest of {len(manifest.content)} bytes; expected at most 4 MiB. Use fewer layers"
            )
        headers = {"Content-Type": manifest.media_type}
        url = self._url("manifests", reference or manifest.digest)
        answer = self._send(Request("PUT", url, headers, manifest.content))
        stored = answer.headers.get("docker-content-digest", manifest.digest)
        if stored != manifest.digest:
            raise CorruptError(
                f"the registry stored {stored} for {manifest.digest}. Report it to its operator"
            )
        return answer

    def referrers(self, digest: str, artifact_type: str = "") -> list[Document]:
        """Return descriptors of what refers to a manifest: the registry's list, else the fallback tag's."""
        listed = self._listed(digest)
        entries = map(self._complete, self._tagged(digest) if listed is None else listed)
        return [entry for entry in entries if artifact_type in ("", entry.get("artifactType"))]

    def _listed(self, digest: str) -> list[Document] | None:
        """Return the registry's own list, or None where it keeps none.

        Instead of 404 ghcr.io redirects to a web page, others answer 400, 405, 406 or 200 with something.
        """
        found: list[Document] = []
        request = Request("GET", self._url("referrers", digest), {"Accept": OCI_INDEX}, stays=True)
        try:
            for answer in self._pages(request):
                if answer.headers.get("content-type", "").partition(";")[0].strip() != OCI_INDEX:
                    return None
                found += Manifest(answer.body, OCI_INDEX).children()
        except (NotFoundError, UnknownError):
            return None
        return found

    def _tagged(self, digest: str) -> list[Document]:
        """Return the list under the fallback tag; GitLab's registry may give the subject for it."""
        try:
            found = self.manifest(fallback_tag(digest))
        except NotFoundError:
            return []
        return found.children() if found.digest != digest else []

    def _complete(self, entry: Document) -> Document:
        """Return a descriptor with its manifest's own type: some registries list the configuration's."""
        if entry.get("artifactType") not in (None, "", EMPTY_TYPE):
            return entry
        document = self.manifest(entry["digest"]).document
        return {**entry, **{key: document[key] for key in ("artifactType", "annotations") if key in document}}

    def put_referrer(self, manifest: Manifest) -> None:
        """Store a manifest that has a subject, and see that it is found from there.

        Registries without a referrers list get an index under the subject's fallback tag. Its
        read-modify-write is not atomic: one publisher per image at a time.
        """
        subject = manifest.document["subject"]["digest"]
        if self.digest(manifest.digest) is None:
            answer = self.put_manifest(manifest)
            if SUBJECT_HEADER in answer.headers:
                return
        known = self.referrers(subject)
        if any(entry["digest"] == manifest.digest for entry in known):
            return
        document = manifest.document
        kept = {key: document[key] for key in ("artifactType", "annotations") if key in document}
        entries = [*known, {**manifest.descriptor, **kept}]
        index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}
        self.put_manifest(Manifest(compact(index), OCI_INDEX), fallback_tag(subject))

    def tags(self) -> list[str]:
        """Return every tag, sorted; none for a repository that is not there."""
        found: list[str] = []
        with suppress(NotFoundError):
            for answer in self._pages(Request("GET", self._url("tags", "list?n=1000"))):
                found += Manifest(answer.body, "").document.get("tags") or []
        return sorted(found)

    def _pages(self, request: Request) -> Iterator[Answer]:
        """Give the answers of a list that may come in parts. Source: RFC 5988, as distribution uses it."""
        while True:
            answer = self._send(request)
            yield answer
            link = answer.headers.get("link", "")
            if 'rel="next"' not in link:
                return
            place = urllib.parse.urljoin(request.url, link[link.find("<") + 1 : link.find(">")])
            request = replace(request, url=place)

    def _upload(self, blob: Blob) -> None:
        answer = self.transport.send(
            Request("POST", self._url("blobs", "uploads/"), {"Content-Length": "0"}), self._scope()
        )
        self._finish(answer, blob)

    def _finish(self, started: Answer, blob: Blob) -> None:
        if not (named := started.headers.get("location")):
            raise RegistryError(f"POST: {started.status} without Location; expected 202. Check the registry")
        place = urllib.parse.urljoin(self.transport.base, named)
        joint = "&" if urllib.parse.urlsplit(place).query else "?"
        url = f"{place}{joint}{urllib.parse.urlencode({'digest': blob.digest})}"
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(blob.size)}
        with blob.open() as stream:
            answer = self.transport.send(Request("PUT", url, headers, stream), self._scope())
        if answer.status != _CREATED:
            raise RegistryError(f"PUT {blob.digest}: {answer.status}, expected 201. Check the registry")

    def mount(self, digest: str, path: str) -> bool:
        """Take a blob over from another repository of the registry; return whether that worked."""
        query = urllib.parse.urlencode({"mount": digest, "from": path})
        request = Request("POST", self._url("blobs", f"uploads/?{query}"), {"Content-Length": "0"})
        # A registry that cannot mount answers 202 and opens an upload, which expires by itself.
        return self._send(request, f" repository:{path}:pull").status == _CREATED

    def _download(self, digest: str, target: Path) -> None:
        """Fetch what the file lacks: what came before a cut is not asked for again."""
        had = target.stat().st_size if target.exists() else 0
        request = Request("GET", self._url("blobs", digest), {"Range": f"bytes={had}-"} if had else {})
        with self.transport.stream(request, self._scope()) as (answer, response):
            with target.open("ab" if answer.status == _PART else "wb") as file:
                had = file.tell()
                shutil.copyfileobj(response, file, BLOCK_BYTES)
                came = file.tell() - had
                file.flush()
                os.fsync(file.fileno())
            expected = int(answer.headers.get("content-length", came))
            if came < expected:
                raise TransientError(f"connection cut after {came} of {expected} bytes")
        with target.open("rb") as file:
            found = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
        if found != digest:
            raise CorruptError(f"{self.name} gave {found} for {digest}. It was damaged or replaced")

    def _send(self, request: Request, more_scope: str = "") -> Answer:
        what = f"{request.method} {self.name}"
        scope = self._scope() + more_scope
        return self.patience.attempt(what, lambda: self.transport.send(request, scope))

    def _scope(self) -> str:
        return f"repository:{self.name.path}:{self.actions}"

    def _url(self, kind: str, rest: str) -> str:
        return f"/v2/{self.name.path}/{kind}/{rest}"
