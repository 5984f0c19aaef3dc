"""One request to one registry: tokens, redirects, and which failures pass."""

import http.client
import json
import re
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, Any, Final

from oci.credentials import Credentials
from oci.errors import NotFoundError, RefusedError, RegistryError, TransientError, UnknownError
from oci.retry import asked_wait_s

TIMEOUT_S: Final = 60.0
"""Seconds without a byte after which a connection counts as cut."""
SLOWEST_BYTES_PER_S: Final = 10_000_000
"""What a registry is trusted to check and store of a blob before it answers, with no byte meanwhile."""
_CHALLENGE: Final = re.compile(r'(\w+)="([^"]*)"')
_TIMEOUT, _TOO_MANY, _SERVER = 408, 429, 500
_UNAUTHORIZED, _FORBIDDEN, _MISSING = 401, 403, 404
_UNKNOWN: Final = (301, 302, 303, 307, 308, 400, 405, 406)
"""What registries answer to a request that they do not know."""
_CUT: Final = (
    http.client.HTTPException,
    ConnectionError,
    TimeoutError,
    ssl.SSLEOFError,
    ssl.SSLZeroReturnError,
)


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of a registry."""

    method: str
    url: str
    """Absolute, or a path on the registry."""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | IO[bytes] | None = None
    """A stream is read from its start at each try; its Content-Length is in the headers."""
    stays: bool = False
    """Whether a redirect to another host is not an answer."""

    @property
    def longest_silence_s(self) -> float:
        """Return the seconds without a byte after which the connection counts as cut."""
        return TIMEOUT_S + int(self.headers.get("Content-Length", 0)) / SLOWEST_BYTES_PER_S


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers and the whole body of a response."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes = b""


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follow redirects of reads only, and never carry a body or credentials elsewhere."""

    def redirect_request(self, req: Any, *rest: Any) -> urllib.request.Request | None:
        if req.get_method() not in ("GET", "HEAD"):
            return None
        followed: Any = super().redirect_request(req, *rest)
        stays = getattr(req, "stays", False)
        if followed and stays and followed.host != req.host:
            return None
        if followed:
            # A place that was signed for HEAD refuses GET, which Python before 3.11.1 makes of it.
            followed.stays, followed.method = stays, req.get_method()
        if followed and req.type == "https" and followed.type != "https":
            raise RegistryError(
                f"{req.host} redirects from https to {followed.full_url.split('?')[0]}; refused"
            )
        return followed  # type: ignore[no-any-return]


@dataclass(slots=True)
class Transport:
    """Speak to one registry with one set of credentials."""

    base: str
    """`https://host[:port]`."""
    credentials: Credentials | None = field(default=None, repr=False)
    ca_file: str = ""
    tokens: dict[str, str] = field(default_factory=dict, repr=False)
    """Scope -> value of the Authorization header."""
    opener: urllib.request.OpenerDirector | None = field(default=None, repr=False)

    def send(self, request: Request, scope: str) -> Answer:
        """Return the answer to a request, its body in memory.

        Raises:
            TransientError: 408, 429, 5xx, a cut or refused connection.
            RefusedError: 401 or 403 with the credentials at hand.
            NotFoundError: 404.
            UnknownError: 400, 405, 406, a redirect that is not followed.
            RegistryError: any other status above 399, a certificate that is not trusted.

        """
        with self.stream(request, scope) as (answer, response):
            return Answer(answer.status, answer.headers, response.read())

    @contextmanager
    def stream(self, request: Request, scope: str) -> Iterator[tuple[Answer, IO[bytes]]]:
        """Give the answer with its body unread; raises as `send` does, also while the body is read."""
        try:
            with self._open(request, scope) as response:
                headers = {name.lower(): value for name, value in response.headers.items()}
                yield Answer(response.status, headers), response
        except _CUT as error:
            raise TransientError(f"connection cut ({type(error).__name__}: {error})") from error

    def _open(self, request: Request, scope: str) -> Any:
        try:
            return self._once(request, self.tokens.get(scope, ""))
        except urllib.error.HTTPError as error:
            if error.code != _UNAUTHORIZED:
                raise _judged(request, error) from None
            challenge = error.headers.get("WWW-Authenticate", "")
        self.tokens[scope] = self._authorization(challenge, scope)
        try:
            return self._once(request, self.tokens[scope])
        except urllib.error.HTTPError as error:
            raise _judged(request, error) from None

    def _once(self, request: Request, authorization: str) -> Any:
        url = urllib.parse.urljoin(self.base, request.url)
        if hasattr(request.body, "seek"):
            request.body.seek(0)  # type: ignore[union-attr]
        made: Any = urllib.request.Request(  # noqa: S310 - the scheme is checked below
            url, data=request.body, headers=dict(request.headers), method=request.method
        )
        made.stays = request.stays
        if made.type not in ("https", urllib.parse.urlsplit(self.base).scheme):
            raise RegistryError(f"{self.base} names an upload place that is not https: {url.split('?')[0]}")
        if authorization and made.host == urllib.parse.urlsplit(self.base).netloc:
            made.add_unredirected_header("Authorization", authorization)
        try:
            return self._opener().open(made, timeout=request.longest_silence_s)
        except urllib.error.HTTPError:
            raise
        except urllib.error.URLError as error:
            raise _unreachable(self.base, error.reason) from error

    def _opener(self) -> urllib.request.OpenerDirector:
        if self.opener is None:
            # Reading the system's authorities takes 30 ms: once, not for each request.
            context = ssl.create_default_context(cafile=self.ca_file or None)
            handler = urllib.request.HTTPSHandler(context=context)
            self.opener = urllib.request.build_opener(_Stay, handler)
        return self.opener

    def _authorization(self, challenge: str, scope: str) -> str:
        """Return the header that answers a challenge: the credentials, or a token bought with them."""
        kind = challenge.partition(" ")[0].lower()
        if kind == "basic":
            if self.credentials is None:
                raise RefusedError(
                    f"{self.base} wants credentials; found none. Pass --username and --password, or log in"
                )
            return self.credentials.basic
        asked = dict(_CHALLENGE.findall(challenge))
        if kind != "bearer" or "realm" not in asked:
            raise RefusedError(
                f"{self.base} asks for {kind or 'an unnamed'} authentication; expected Bearer or Basic"
            )
        return f"Bearer {self._token(asked, scope)}"

    def _token(self, asked: Mapping[str, str], scope: str) -> str:
        """Buy a token. Source: the registry token specification of distribution, GET and OAuth2 POST."""
        realm = urllib.parse.urlsplit(asked["realm"])
        if realm.scheme != "https" and self.base.startswith("https"):
            raise RefusedError(
                f"{self.base} sends passwords to {asked['realm']}, which is not https; refused"
            )
        query = {"service": asked.get("service", ""), "scope": scope}
        headers = {"User-Agent": "wheelhouse"}
        body = None
        if self.credentials and self.credentials.identity:
            grant = {"grant_type": "refresh_token", "refresh_token": self.credentials.password}
            body = urllib.parse.urlencode({**query, **grant, "client_id": "wheelhouse"}).encode()
        else:
            pairs = [("service", query["service"]), *(("scope", part) for part in scope.split())]
            realm = realm._replace(query="&".join(filter(None, [realm.query, urllib.parse.urlencode(pairs)])))
        request = urllib.request.Request(realm.geturl(), data=body, headers=headers)  # noqa: S310
        if self.credentials and body is None:
            request.add_unredirected_header("Authorization", self.credentials.basic)
        try:
            with self._opener().open(request, timeout=TIMEOUT_S) as response:
                return _sold(response.read(), asked["realm"])
        except urllib.error.HTTPError as error:
            raise _token_refused(asked["realm"], error) from None
        except urllib.error.URLError as error:
            raise _unreachable(asked["realm"], error.reason) from error


def _sold(body: bytes, realm: str) -> str:
    """Return the token of an answer."""
    try:
        document = json.loads(body)
        return str(document.get("token") or document["access_token"])
    except (ValueError, KeyError, AttributeError) as error:
        raise RegistryError(
            f"{realm} sells no token ({error!r}); expected JSON with one. Is it the right registry?"
        ) from error


def _token_refused(realm: str, error: urllib.error.HTTPError) -> RegistryError:
    """Return the error of a token endpoint; its 404 or 400 says nothing about what the registry has."""
    found = _judged(Request("GET", realm), error)
    if isinstance(found, (NotFoundError, UnknownError)):
        return RefusedError(
            f"the token endpoint {realm} returned no token: {found}. Check the registry's address"
        )
    return found


def _judged(request: Request, error: urllib.error.HTTPError) -> RegistryError:
    """Return the error that a status stands for."""
    with error:
        detail = _detail(error)
    where = f"{request.method} {urllib.parse.urlsplit(request.url).path}: {error.code}{detail}"
    if error.code in (_TIMEOUT, _TOO_MANY) or error.code >= _SERVER:
        return TransientError(where, asked_wait_s(error.headers.get("Retry-After")))
    if error.code in (_UNAUTHORIZED, _FORBIDDEN):
        return RefusedError(f"{where}. The credentials do not allow this; check --username and --password")
    if error.code == _MISSING:
        return NotFoundError(where)
    if error.code in _UNKNOWN:
        return UnknownError(where)
    return RegistryError(where)


def _detail(error: urllib.error.HTTPError) -> str:
    """Return the registry's own words, shortened."""
    try:
        errors = json.loads(error.read(4096)).get("errors") or []
        return "".join(f" {entry.get('code', '')} {entry.get('message', '')}".rstrip() for entry in errors)[
            :300
        ]
    except (ValueError, AttributeError, *_CUT):
        return ""


def _unreachable(base: str, reason: object) -> RegistryError:
    if isinstance(reason, ssl.SSLCertVerificationError):
        return RegistryError(
            f"{base}: the certificate is not trusted ({reason.verify_message}). Pass --ca-file or fix it"
        )
    if isinstance(reason, ssl.SSLError) and not isinstance(reason, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        return RegistryError(
            f"{base}: no TLS ({reason.reason}). Pass --insecure when the registry speaks plain HTTP"
        )
    return TransientError(f"{base} cannot be reached ({reason})")
