"""What any engine does with what lies outside containers: registries, servers and sockets behind services."""

import asyncio
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import dagger
import pytest
from dagger import dag

from ports import free_port

pytestmark = pytest.mark.engine

SERVE = "import http.server as h; h.HTTPServer(('', 80), h.SimpleHTTPRequestHandler).serve_forever()"
ASK = (
    "import os, socket as s; c = s.socket(s.AF_UNIX); c.connect('/run/ask.sock'); "
    "print(c.makefile().readline(), end='')"
)
NESTED = (
    "import os, json, base64, urllib.request as u\n"
    "port, token = os.environ['DAGGER_SESSION_PORT'], os.environ['DAGGER_SESSION_TOKEN']\n"
    "r = u.Request(f'http://127.0.0.1:{port}/query', json.dumps({'query': '{ version }'}).encode())\n"
    "r.add_header('Authorization', 'Basic ' + base64.b64encode(f'{token}:'.encode()).decode())\n"
    "print(json.load(u.urlopen(r))['data']['version'])\n"
)


async def test_file_is_fetched_from_a_service(fresh: dagger.Container) -> None:
    """`http` reaches a service under any host name, and checks what it gets."""
    held = fresh.with_new_file("/srv/f", "served").with_workdir("/srv").with_exposed_port(80)
    service = held.with_default_args(["python3", "-c", SERVE]).as_service()

    got = dag.http("http://anything/f", experimental_service_host=service, permissions=0o640)
    assert await got.contents() == "served"
    assert [await got.name(), await got.stat().permissions()] == ["f", 0o640]
    wrong = dag.http("http://anything/f", experimental_service_host=service, checksum=f"sha256:{'0' * 64}")
    with pytest.raises(dagger.QueryError):
        await wrong.contents()


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[int]:
    """Serve a repository with one commit over git's own protocol; give the port."""
    words = "init -q -b main|add f|-c user.name=a -c user.email=a@b commit -qm m|tag v1.2.0|tag v1.10.0|tag x"
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "f").write_text("one\n")
    for line in words.split("|"):
        subprocess.run(["git", "-C", str(tmp_path / "r"), *line.split()], check=True)
    port = free_port()
    daemon = [
        "git",
        "daemon",
        "--export-all",
        f"--base-path={tmp_path}",
        "--listen=127.0.0.1",
        f"--port={port}",
    ]
    with subprocess.Popen([*daemon, "--listen=127.0.0.1"]) as process:
        yield port
        process.terminate()


@pytest.mark.usefixtures("client")
async def test_repository_is_read_from_a_service(repository: int) -> None:
    """`git` reaches a service under any host name: refs, versions, commits and files."""
    service = dag.host().service([dagger.PortForward(backend=repository, frontend=9418)])
    held = dag.git("git://git.test/r", experimental_service_host=service)

    assert await held.branches() == ["main"]
    assert await held.tags(patterns=["v1*"]) == ["v1.10.0", "v1.2.0"]
    assert await held.latest_version().ref() == "refs/tags/v1.10.0"
    assert await held.head().tree(discard_git_dir=True).entries() == ["f"]
    assert await held.branch("main").tree().file("f").contents() == "one\n"
    assert await held.tag("refs/tags/x").commit() == await held.branch("main").commit()
    with pytest.raises(dagger.QueryError, match="invalid commit"):
        await held.commit("main").commit()


async def test_exec_asks_a_socket_of_the_caller(fresh: dagger.Container) -> None:
    """A Unix socket of the caller's machine is reached at its place in the container."""

    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"answered\n")
        writer.close()

    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, "s"))
        async with await asyncio.start_unix_server(answer, path):
            held = fresh.with_unix_socket("/run/ask.sock", dag.host().unix_socket(path))
            assert await held.with_exec(["python3", "-c", ASK]).stdout() == "answered\n"
            assert await held.without_unix_socket("/run/ask.sock").mounts() == []


async def test_nested_exec_asks_its_own_session(fresh: dagger.Container) -> None:
    """With nesting a process finds the session in its environment; without, it finds nothing."""
    nested = fresh.with_exec(["python3", "-c", NESTED], experimental_privileged_nesting=True)

    assert (await nested.stdout()).startswith("v0.")
    with pytest.raises(dagger.ExecError):
        await fresh.with_exec(["python3", "-c", NESTED]).sync()


async def test_nested_exec_does_not_reach_the_callers_machine(
    fresh: dagger.Container, tmp_path: Path
) -> None:
    """Its host is its container: a folder of the caller is not there, whichever field asks for it."""
    (tmp_path / "quandong").write_text("canary-fruit")
    asked = [
        f'{{ host {{ directory(path: "{tmp_path}") {{ entries }} }} }}',
        f'{{ address(value: "{tmp_path}") {{ directory {{ entries }} }} }}',
        f'{{ secret(uri: "file://{tmp_path}/quandong") {{ plaintext }} }}',
        f'{{ directory {{ withNewFile(path: "left", contents: "x") {{ export(path: "{tmp_path}") }} }} }}',
    ]
    program = NESTED.replace("{ version }", "QUESTION").replace("['data']['version']", "")
    for one in asked:
        words = ["python3", "-c", program.replace("'QUESTION'", repr(one))]
        said = await fresh.with_exec(words, experimental_privileged_nesting=True).stdout()
        assert "'quandong'" not in said
        assert "canary-fruit" not in said

    assert [path.name for path in tmp_path.iterdir()] == ["quandong"]


async def test_image_goes_to_a_registry_behind_a_service_and_comes_back(
    fresh: dagger.Container, registry: str
) -> None:
    """`publish` and `from` use the service for the registry of the address."""
    backend = int(registry.rpartition(":")[2])
    service = dag.host().service([dagger.PortForward(backend=backend, frontend=5000)])
    mark = uuid.uuid4().hex
    image = fresh.with_new_file("/mark", mark).with_env_variable("MARK", mark)
    address = await image.publish(f"registry.test:5000/a/b:{mark[:8]}", registry_service=service)

    assert address.startswith(f"registry.test:5000/a/b:{mark[:8]}@sha256:")
    back = dag.container().from_(address, registry_service=service)
    assert [await back.file("/mark").contents(), await back.env_variable("MARK")] == [mark, mark]
