"""What any engine does with services."""

import time

import dagger
import pytest

pytestmark = pytest.mark.engine

SERVE = "import http.server as h; h.HTTPServer(('', {port}), h.SimpleHTTPRequestHandler).serve_forever()"
GET = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1]).read().decode(), end='')"


def service_container(container: dagger.Container, text: str = "well", port: int = 80) -> dagger.Container:
    """Return a container that serves one file on a port."""
    held = container.with_new_file("/srv/text", text).with_workdir("/srv").with_exposed_port(port)
    return held.with_default_args(["python3", "-c", SERVE.format(port=port)])


def service(container: dagger.Container, text: str, port: int = 80) -> dagger.Service:
    """Serve one file on a port."""
    return service_container(container, text, port).as_service()


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


async def test_a_health_check_is_waited_for_instead_of_ports(fresh: dagger.Container) -> None:
    """The service is bound once the check passes, though no port of it ever opens."""
    late = fresh.with_exposed_port(80).with_env_variable("WHERE", "/tmp/healthy")
    late = late.with_default_args(["sh", "-c", "sleep 1; touch $WHERE; sleep 100"])
    late = late.with_docker_healthcheck(["sh", "-c", "test -e $WHERE"], interval="300ms", start_period="20s")

    begun = time.monotonic()
    await fresh.with_service_binding("late", late.as_service()).with_exec(["true"]).sync()
    assert time.monotonic() - begun > 1


async def test_a_service_that_stays_unhealthy_is_not_started(fresh: dagger.Container) -> None:
    """Failures after the start period are counted, and the last check's code and output are the error."""
    ill = service_container(fresh).with_docker_healthcheck(  # noqa: S604 - `shell` is the API's word
        ["echo ill >&2; exit 4"],
        shell=True,
        interval="100ms",
        retries=2,
    )

    with pytest.raises(dagger.QueryError, match="exit code: 4"):
        await fresh.with_service_binding("ill", ill.as_service()).with_exec(["true"]).sync()


async def test_without_its_health_check_a_service_is_ready_with_its_ports(fresh: dagger.Container) -> None:
    """What an image says of its health can be taken away."""
    held = service_container(fresh).with_docker_healthcheck(["false"], interval="100ms", retries=1)
    well = held.without_docker_healthcheck().as_service()

    assert await get(fresh.with_service_binding("well", well), "http://well/text") == "well"


async def test_service_starts_again_after_it_was_stopped(fresh: dagger.Container) -> None:
    """Start, stop and start again by name; the host name stays the same."""
    one = service(fresh, "x")
    name = await one.hostname()
    await one.start()
    await one.stop(kill=True)
    await one.start()

    assert await one.hostname() == name
    await one.stop(kill=True)
