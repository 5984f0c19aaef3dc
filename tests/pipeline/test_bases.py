"""Base images that a cache keeps: taken by whoever trusts the note's signer, else from their own registry."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.pipeline.sessions import run_session
from tests.programs.oci.registry_server import Fault, Proxy

pytestmark = [pytest.mark.engine, pytest.mark.integration]

KEPT = """
    from pipeline.build.base_cache import BaseCache
    from pipeline.containers import Builder
    from pipeline.build.cache import RemoteCache, RemoteCacheOptions
    from pipeline.registry import Registry
    wanted = json.loads((FOLDER / "wanted.json").read_text())
    private, public = wanted.get("private"), wanted.get("public")
    cache = await RemoteCache.of(RemoteCacheOptions(
        registry=Registry(address=wanted["address"]),
        private_key=dag.set_secret("cache-key", Path(private).read_text()) if private else None,
        public_key=dag.host().file(public) if public else None,
    ))
    image = f"{wanted['registry']}/own:1"
    made = dag.container().with_new_file("etc/os", "small").with_env_variable("PATH", "/bin")
    await made.publish(image)
    own = Builder(image=image, fresh=wanted.get("fresh", ""))
    builder = await BaseCache(cache=cache).kept(own)
    print(json.dumps({
        "kept": builder.kept is not None,
        "reference": (await builder.reference()).rpartition("@")[0].partition("/")[2],
        "same digest": await builder.reference() == await own.reference(),
        "file": await builder.base().file("etc/os").contents(),
        "path": await builder.base().env_variable("PATH"),
    }))
"""
SAME = {"reference": "own:1", "same digest": True, "file": "small", "path": "/bin"}
Machine = Callable[..., tuple[dict[str, object], str]]


@pytest.fixture
def machine(proxy: Proxy, tmp_path: Path) -> Machine:
    """Return a function that asks as a machine does; another name of the host is another machine."""

    def ask(host: str, **wanted: str) -> tuple[dict[str, object], str]:
        port = proxy.address.rpartition(":")[2]
        document = {"address": f"{host}:{port}/cache", "registry": proxy.address, **wanted}
        (tmp_path / "wanted.json").write_text(json.dumps(document))
        done = run_session(tmp_path, KEPT)
        assert done.returncode == 0, done.stderr[-2000:]
        return json.loads(done.stdout), done.stderr

    return ask


def test_a_second_machine_takes_the_base_that_the_first_kept(
    machine: Machine, keys: dict[str, str], proxy: Proxy
) -> None:
    """Same files, same configuration, and it goes by the name that its own registry gave it."""
    first, _ = machine("127.0.0.1", private=keys["ours.pem"])
    proxy.clear()
    second, said = machine("localhost", public=keys["ours.pub"])

    assert first == second == {"kept": True, **SAME}
    assert not [one for one in proxy.seen if one.startswith(("PUT /v2/cache", "POST /v2/cache"))]
    assert "cache: " not in said


def test_a_base_that_nobody_trusted_kept_is_not_taken(
    machine: Machine, keys: dict[str, str], proxy: Proxy
) -> None:
    """Who can write to the registry but has no trusted key has nothing of theirs run, nor read."""
    machine("127.0.0.1", private=keys["theirs.pem"])
    proxy.clear()
    answer, said = machine("localhost", public=keys["ours.pub"])

    assert answer == {"kept": False, **SAME}
    assert "is poisoned" in said
    assert "the base image comes from its own registry" in said
    assert not [one for one in proxy.seen if "cache/manifests/sha256:" in one]


def test_a_reader_stores_nothing(machine: Machine, keys: dict[str, str], proxy: Proxy) -> None:
    """Without the private key an absent base is taken from its own registry, without a word."""
    answer, said = machine("127.0.0.1", public=keys["ours.pub"])

    assert answer == {"kept": False, **SAME}
    assert not [one for one in proxy.seen if one.startswith(("PUT /v2/cache", "POST /v2/cache"))]
    assert "cache: " not in said


def test_an_error_is_not_an_absent_base(machine: Machine, keys: dict[str, str], proxy: Proxy) -> None:
    """A registry that refuses to be read gets nothing written, and the error is shown."""

    def refuse(method: str, path: str) -> Fault | None:
        return Fault(status=401) if method in {"GET", "HEAD"} and "cache/manifests/base-" in path else None

    proxy.fault = refuse
    answer, said = machine("127.0.0.1", private=keys["ours.pem"])

    assert answer == {"kept": False, **SAME}
    assert "the base image comes from its own registry" in said
    assert not [one for one in proxy.seen if one.startswith(("PUT /v2/cache", "POST /v2/cache"))]


def test_a_build_with_nothing_of_before_takes_no_base(
    machine: Machine, keys: dict[str, str], proxy: Proxy
) -> None:
    """What asks for everything anew gets the base of its own registry."""
    answer, _ = machine("127.0.0.1", private=keys["ours.pem"], fresh="1")

    assert not answer["kept"]
    assert not [one for one in proxy.seen if "/cache/" in one]
