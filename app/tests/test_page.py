"""Start page: self-contained, and allowed to do nothing but ask this service."""

import re

from rag.page import FILE


async def test_the_page_is_html_and_needs_no_key(serving, tmp_path):
    """A browser cannot send a key with an address; the page asks for it."""
    (tmp_path / "key").write_text("sk-1")
    async with serving(api_key_file=tmp_path / "key") as client:
        answer = await client.get("/")

    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "<h1>" in answer.text


async def test_the_page_loads_nothing_from_elsewhere(client):
    """No address in the page, and a policy that forbids one."""
    answer = await client.get("/")

    assert re.findall(r"""(?:https?:)?//[a-z]|(?:src|href)=["'](?!data:,)""", answer.text) == []
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_the_page_s_script_writes_no_html():
    """A passage is text, whatever it holds."""
    text = FILE.read_text(encoding="utf-8")

    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text)
