"""What any engine does with services."""

import dagger
import pytest

pytestmark = pytest.mark.engine

SERVE = "import http.server as h; h.HTTPServer(('', {port}), h.SimpleHTTPRequestHandler).serve_forever()"
GET = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1]).read().decode(), end='')"


def service(container: dagger.Container, text: str, port: int = 80) -> dagger.Service:
    """Serve one file on a port."""
    held = container.with_new_file("/srv/text", text).with_workdir("/srv").with_exposed_port(port)
    return held.with_default_args(["python3", "-c", SERVE.format(port=port)]).as_service()


async def get(container: dagger.Container, address: str) -> str:
    """Return what an exec reads from an address."""
    return await container.with_exec(["python3", "-c", GET, address]).stdout()


async def test_bound_services_are_ready_under_their_names(fresh: dagger.Container) -> None:
    """Two services on one port are reached by name as soon as the exec runs."""
    held = fresh.with_service_binding("one", service(fresh, "1"))
    held = held.with_service_binding("two", service(fresh, "2"))

    assert await get(held, "http://one/text") == "1"
    assert await get(held, "http://two/text") == "2"


async def test_service_may_use_a_service(fresh: dagger.Container) -> None:
    """A service's own bindings hold inside it."""
    inner = service(fresh, "inner")
    relay = (
        "import http.server as h, urllib.request as u\n"
        "class R(h.BaseHTTPRequestHandler):\n"
        "    def do_GET(self):\n"
        "        self.send_response(200); self.end_headers()\n"
        "        self.wfile.write(u.urlopen('http://inner/text').read())\n"
        "h.HTTPServer(('', 8080), R).serve_forever()\n"
    )
    outer = fresh.with_service_binding("inner", inner).with_exposed_port(8080)
    outer_service = outer.with_default_args(["python3", "-c", relay]).as_service()

    assert await get(fresh.with_service_binding("outer", outer_service), "http://outer:8080") == "inner"


async def test_service_that_dies_gives_its_logs(fresh: dagger.Container) -> None:
    """An exec whose service ends before it is ready fails with the service's code and output."""
    dying = fresh.with_exposed_port(80).with_default_args(["sh", "-c", "echo because >&2; exit 3"])

    with pytest.raises(dagger.ExecError) as caught:
        await fresh.with_service_binding("dying", dying.as_service()).with_exec(["true"]).sync()
    assert caught.value.exit_code == 3
    assert "because" in caught.value.stderr


async def test_service_starts_again_after_it_was_stopped(fresh: dagger.Container) -> None:
    """Start, stop and start again by name; the host name stays the same."""
    one = service(fresh, "x")
    name = await one.hostname()
    await one.start()
    await one.stop(kill=True)
    await one.start()

    assert await one.hostname() == name
    await one.stop(kill=True)
