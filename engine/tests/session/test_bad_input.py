"""What a client that sends nonsense gets: a sentence, with status 200, from a server that lives on."""

import base64
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from wheelhouse_engine.session import Session

pytestmark = pytest.mark.engine

DEEP = "{ directory" * 3000 + "{ id" + " }" * 3001
"""Nested beyond what any client sends."""


class Client:
    """Post raw bodies to a session, as httpx does for the real client."""

    def __init__(self, session: Session) -> None:
        self.url = f"http://127.0.0.1:{session.port}/query"
        self.token = session.token

    async def post(self, body: bytes, token: str | None = None) -> dict[str, Any]:
        """Return the answer's JSON; the status is 200 whatever was sent."""
        word = base64.b64encode(f"{self.token if token is None else token}:".encode()).decode()
        async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
            answer = await client.post(self.url, content=body, headers={"Authorization": f"Basic {word}"})
        assert answer.status_code == 200
        found: dict[str, Any] = answer.json()
        return found

    async def query(self, text: str) -> dict[str, Any]:
        """Return what a query gives."""
        return await self.post(json.dumps({"query": text}).encode())

    async def error(self, text: str) -> str:
        """Return the sentence that a query fails with; the next good query is answered."""
        answer = await self.query(text)
        assert answer["data"] is None
        assert (await self.query("{ version }"))["data"]["version"].startswith("v0.")
        return str(answer["errors"][0]["message"])


@pytest.fixture
def client(session: Session) -> Client:
    """Give a client of a running session."""
    return Client(session)


@pytest.mark.parametrize("body", [b"", b"not json", b"[]", b"{}", b'{"query": ', b"\xff\xfe", b"[" * 100_000])
async def test_body_that_is_no_query_is_told_what_was_expected(client: Client, body: bytes) -> None:
    """A body that is not a JSON object with a query is an error that says so."""
    answer = await client.post(body)

    assert "expected a JSON object" in answer["errors"][0]["message"]


@pytest.mark.parametrize("text", ["{", "{ version", "mutation", "query { version } }", "\0", "{ ... }"])
async def test_malformed_query_is_a_syntax_error(client: Client, text: str) -> None:
    """A document that is no GraphQL is a syntax error."""
    assert "Syntax Error" in await client.error(text)


async def test_query_nested_too_deeply_is_refused(client: Client) -> None:
    """Thousands of nested selections do not end the server."""
    assert await client.error(DEEP)


@pytest.mark.parametrize("token", ["", "wrong", "é"])
async def test_wrong_token_is_refused(client: Client, token: str) -> None:
    """Who has not the session's token learns nothing else."""
    answer = await client.post(json.dumps({"query": "{ version }"}).encode(), token)

    assert answer["data"] is None
    assert "wrong session token" in answer["errors"][0]["message"]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("{ nonsense }", "nonsense"),
        ("{ container { nonsense } }", "nonsense"),
        ("{ directory { entries(nonsense: 1) } }", "nonsense"),
        ("{ directory { withNewFile { id } } }", "path"),
        ('{ directory { withNewFile(path: 1, contents: "x") { id } } }', "String"),
        ("{ container }", "subfields"),
    ],
)
async def test_what_the_api_has_not_is_named(client: Client, text: str, named: str) -> None:
    """Unknown fields, unknown and missing arguments and wrong types are errors that name them."""
    assert named in await client.error(text)


@pytest.mark.parametrize("one", ["", "0" * 32, "../../etc/passwd", "\\u0000"])
async def test_id_of_another_session_is_refused(client: Client, one: str) -> None:
    """An id that this session did not give is an error."""
    assert "no object with id" in await client.error(f'{{ node(id: "{one}") {{ id }} }}')


async def test_argument_of_a_hundred_megabytes_is_refused(client: Client) -> None:
    """A value beyond the limit is refused with the limit, and the server lives on."""
    text = f'{{ directory {{ withNewFile(path: "x", contents: "{"y" * 10**8}") {{ id }} }} }}'

    assert "64 MB" in await client.error(text)


@pytest.mark.parametrize("path", ["../../../../escaped", "/../escaped", "a/../../escaped"])
async def test_new_file_never_leaves_its_directory(client: Client, tmp_path: Path, path: str) -> None:
    """`..` stops at the root of the directory."""
    text = f'{{ directory {{ withNewFile(path: "{path}", contents: "x") {{ glob(pattern: "**") }} }} }}'
    answer = await client.query(text)

    assert "escaped" in json.dumps(answer) or answer.get("errors")
    assert not list(tmp_path.rglob("escaped"))
    assert not Path("/escaped").exists()


async def test_link_out_of_the_directory_is_read_inside_it(client: Client) -> None:
    """An absolute link means a place inside the directory, never one of the host."""
    link = (
        '{ directory { withSymlink(target: "/etc/passwd", linkName: "l") { file(path: "l") { contents } } } }'
    )

    assert "root:" not in await client.error(link)


async def test_name_with_a_newline_is_a_name(client: Client) -> None:
    """Any byte but NUL and `/` may stand in a file's name."""
    answer = await client.query(
        '{ directory { withNewFile(path: "a\\nb", contents: "x") { entries glob(pattern: "*") } } }'
    )

    assert answer["data"]["directory"]["withNewFile"] == {"entries": ["a\nb"], "glob": ["a\nb"]}


async def test_nul_in_a_name_is_an_error(client: Client) -> None:
    """A NUL in a path is refused with a sentence."""
    text = '{ directory { withNewFile(path: "a\\u0000b", contents: "x") { entries } } }'

    assert await client.error(text)


async def test_refused_field_is_named(client: Client) -> None:
    """A field that only a Dagger engine has says its name and what to do."""
    said = await client.error("{ directory { terminal { sync } } }")

    assert "Directory.terminal is not available in the embedded engine" in said
