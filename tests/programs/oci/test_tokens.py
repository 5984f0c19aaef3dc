"""Bearer tokens are bought with the login, once for each scope, and sent nowhere else."""

import base64
import http.server
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from oci.credentials import Credentials
from oci.errors import RefusedError, RegistryError
from oci.repository import Repository

from tests.programs.oci.registry_server import free_port

DIGEST = f"sha256:{'0' * 64}"
Open = Callable[..., Repository]


class TokenRegistry:
    """A registry that only says whether the token is right, and the place that sells tokens."""

    def __init__(self) -> None:
        self.address = f"127.0.0.1:{free_port()}"
        self.sold: list[dict[str, list[str]]] = []
        self.logins: list[str] = []
        self.token = "t-1"  # noqa: S105 - of a server that lives for one test
        self.realm = f"http://{self.address}/token"
        self.sell = True
        self.refusal = 401
        self.wares = b""
        self.accept = True

    def answer(self, path: str, authorization: str) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body."""
        parts = urlsplit(path)
        if parts.path == "/token":
            self.sold.append(parse_qs(parts.query))
            self.logins.append(authorization)
            wares = self.wares or json.dumps({"token": self.token}).encode()
            return (200, {}, wares) if self.sell else (self.refusal, {}, b"")
        if self.accept and authorization == f"Bearer {self.token}":
            return 200, {}, b""
        return 401, {"WWW-Authenticate": f'Bearer realm="{self.realm}",service="shop",scope="x"'}, b""


@pytest.fixture
def shop() -> Iterator[TokenRegistry]:
    """Give a running token registry."""
    made = TokenRegistry()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = made.answer(self.path, self.headers.get("Authorization", ""))
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815 - name of http.server

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", int(made.address.split(":")[1])), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield made
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_token_is_bought_once(shop: TokenRegistry, open_repository: Open) -> None:
    """The first request buys a token for this repository with the login; later ones use it."""
    repository = open_repository(f"{shop.address}/app", credentials=Credentials("me", "secret"))
    assert repository.has_blob(DIGEST)
    assert repository.has_blob(DIGEST)
    assert shop.sold == [{"service": ["shop"], "scope": ["repository:app:pull,push"]}]
    assert shop.logins == [f"Basic {base64.b64encode(b'me:secret').decode()}"]


def test_who_only_reads_asks_for_no_more(shop: TokenRegistry, open_repository: Open) -> None:
    """A read asks for a token to pull: ghcr.io answers 403 where anybody anonymous wants to push, too."""
    assert open_repository(f"{shop.address}/app", reads=True).has_blob(DIGEST)
    assert shop.sold == [{"service": ["shop"], "scope": ["repository:app:pull"]}]


@pytest.mark.parametrize("wares", [b"<html>", b"{}", b"[]"])
def test_what_is_no_token_is_named(shop: TokenRegistry, open_repository: Open, wares: bytes) -> None:
    """A page, or JSON without a token, is an error with the place that sent it."""
    shop.wares = wares
    with pytest.raises(RegistryError, match="/token sells no token"):
        open_repository(f"{shop.address}/app").has_blob(DIGEST)


def test_an_expired_token_is_renewed(shop: TokenRegistry, open_repository: Open) -> None:
    """A token that is refused later is bought anew."""
    repository = open_repository(f"{shop.address}/app")
    assert repository.has_blob(DIGEST)
    shop.token = "t-2"  # noqa: S105
    assert repository.has_blob(DIGEST)
    assert len(shop.sold) == 2


def test_a_refused_login_is_one_question(shop: TokenRegistry, open_repository: Open) -> None:
    """When no token is sold the error names the login, and nothing is tried again."""
    shop.sell = False
    with pytest.raises(RefusedError, match="--username"):
        open_repository(f"{shop.address}/app", credentials=Credentials("me", "x")).has_blob(DIGEST)
    assert len(shop.sold) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405])
def test_what_a_token_endpoint_refuses_is_no_answer_of_the_registry(
    shop: TokenRegistry, open_repository: Open, status: int
) -> None:
    """A missing or broken token endpoint is an error: no blob, tag or referrer counts as absent by it."""
    shop.sell, shop.refusal = False, status
    repository = open_repository(f"{shop.address}/app")
    for ask in (repository.has_blob, repository.digest, repository.referrers):
        with pytest.raises(RefusedError):
            ask(DIGEST)
    with pytest.raises(RefusedError):
        repository.tags()


def test_a_refused_token_ends_it(shop: TokenRegistry, open_repository: Open) -> None:
    """A fresh token that the registry refuses is an error, not a loop."""
    shop.accept = False
    with pytest.raises(RefusedError):
        open_repository(f"{shop.address}/app").has_blob(DIGEST)
    assert len(shop.sold) == 1
