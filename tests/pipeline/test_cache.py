"""Directories shared between machines: made once, taken by whoever trusts the maker, never from others."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.pipeline.sessions import run_session
from tests.programs.oci.registry_server import Fault, Proxy

pytestmark = [pytest.mark.engine, pytest.mark.integration]

THROUGH = """
    from pipeline.containers import Builder
    from pipeline.build.cache import RemoteCache, CacheKey, RemoteCacheOptions
    from pipeline.registry import Registry
    wanted = json.loads((FOLDER / "wanted.json").read_text())
    builder = Builder(image=BASE)
    private, public = wanted.get("private"), wanted.get("public")
    shared = RemoteCacheOptions(
        registry=Registry(address=wanted["address"]),
        private_key=dag.set_secret("cache-key", Path(private).read_text()) if private else None,
        public_key=dag.host().file(public) if public else None,
    )
    cache = await RemoteCache.of(shared)
    made = []
    async def make():
        made.append(True)
        tree = dag.directory().with_new_file("bin/run", wanted["text"], permissions=0o755)
        return tree.with_symlink("run", "bin/again")
    material = CacheKey(kind="test", facts={"lock": wanted["lock"]}, texts=("variants.py",))
    found = await cache.get_or_build(builder, material, make)
    listed = await builder.base().with_mounted_directory("/in", found).with_exec(
        ["sh", "-c", "stat -c '%a %n' /in/bin/run; readlink /in/bin/again; cat /in/bin/run"]
    ).stdout()
    print(json.dumps({"made": bool(made), "listed": listed}))
"""
SILENT = """
    from pipeline.containers import Builder
    from pipeline.build.cache import RemoteCache, CacheKey, RemoteCacheOptions
    from pipeline.registry import Registry
    key = dag.set_secret("cache-key", Path((FOLDER / "key").read_text()).read_text())
    options = RemoteCacheOptions(registry=Registry(address="127.0.0.1:1/cache"), private_key=key)
    cache = await RemoteCache.of(options)
    made = []
    for number in range(2):
        async def make():
            made.append(number)
            return dag.directory().with_new_file("n", str(number))
        material = CacheKey(kind="test", facts={"number": number, "now": str(FOLDER)}, texts=())
        found = await cache.get_or_build(Builder(image=BASE), material, make)
        assert await found.file("n").contents() == str(number)
    print(json.dumps(made))
"""
ARCHIVED = """
    from pipeline.containers import Builder
    from pipeline.build.image import with_layers
    from pipeline.build.image import archived, unarchived
    builder = Builder(image=BASE)
    def layer(name):
        tree = dag.directory().with_new_file(f"srv/{name}", name, permissions=0o755)
        return tree.with_symlink(name, f"srv/link-{name}").with_timestamps(315532800)
    made = with_layers(builder.empty(), [layer("low"), layer("high")])
    again = unarchived(builder, await archived(made))
    async def packed(image):
        above = with_layers(image, [layer("above")]).with_label("above", "yes")
        return await above.as_tarball().digest(exclude_metadata=True)
    print(json.dumps([await packed(made), await packed(again), await packed(builder.empty())]))
"""
Machine = Callable[..., tuple[dict[str, object], str]]


@pytest.fixture
def machine(proxy: Proxy, tmp_path: Path) -> Machine:
    """Return a function that asks the cache as a machine does; another name of the host is another machine.

    One store stands for all: it remembers answers by the words of the question.
    """

    def ask(host: str, lock: str, **wanted: str) -> tuple[dict[str, object], str]:
        port = proxy.address.rpartition(":")[2]
        document = {"address": f"{host}:{port}/cache", "lock": lock, "text": "made here\n", **wanted}
        (tmp_path / "wanted.json").write_text(json.dumps(document))
        done = run_session(tmp_path, THROUGH)
        assert done.returncode == 0, done.stderr[-2000:]
        return json.loads(done.stdout), done.stderr

    return ask


def test_a_second_machine_takes_what_the_first_made(
    machine: Machine, keys: dict[str, str], proxy: Proxy
) -> None:
    """Same material: the entry is taken with its modes and links, and nothing is made or pushed."""
    first, _ = machine("127.0.0.1", f"a {proxy.address}", private=keys["ours.pem"])
    proxy.clear()
    second, _ = machine("localhost", f"a {proxy.address}", public=keys["ours.pub"], text="not made")

    assert first == {"made": True, "listed": "755 /in/bin/run\nrun\nmade here\n"}
    assert second == {**first, "made": False}
    assert sum(proxy.sent) == 0


def test_other_material_is_made(machine: Machine, keys: dict[str, str], proxy: Proxy) -> None:
    """A changed lock is another key: nobody else's entry is taken for it; readers store nothing."""
    proxy.clear()
    answer, said = machine("127.0.0.1", f"b {proxy.address}", public=keys["ours.pub"])

    assert answer["made"]
    assert not [one for one in proxy.seen if one.startswith(("PUT", "POST"))]
    assert "cache:" not in said


def test_an_entry_stored_since_is_found(machine: Machine, keys: dict[str, str], proxy: Proxy) -> None:
    """An engine that remembers that there is none asks again: its next build takes what others made."""
    lock = f"e {proxy.address}"
    early, _ = machine("127.0.0.1", lock, public=keys["ours.pub"])
    machine("localhost", lock, private=keys["ours.pem"], text="made there\n")
    late, _ = machine("127.0.0.1", lock, public=keys["ours.pub"])

    assert early["made"]
    assert late == {"made": False, "listed": "755 /in/bin/run\nrun\nmade there\n"}


def test_a_poisoned_entry_is_named_and_not_taken(
    machine: Machine, keys: dict[str, str], proxy: Proxy
) -> None:
    """Who can write to the registry but has no trusted key plants nothing: told, then made as ever."""
    machine("127.0.0.1", f"c {proxy.address}", private=keys["theirs.pem"], text="evil\n")
    answer, said = machine("localhost", f"c {proxy.address}", public=keys["ours.pub"])

    assert answer == {"made": True, "listed": "755 /in/bin/run\nrun\nmade here\n"}
    assert "is poisoned: no signature by the key that is trusted here" in said
    assert "made here instead" in said


def test_a_cache_that_refuses_stops_no_build(machine: Machine, keys: dict[str, str], proxy: Proxy) -> None:
    """403 to every write is told and costs nothing but the entry."""
    proxy.fault = lambda method, _path: Fault(403) if method in ("POST", "PUT") else None
    answer, said = machine("127.0.0.1", f"d {proxy.address}", private=keys["ours.pem"])
    proxy.clear()

    assert answer["made"]
    assert "not shared" in said


def test_a_silent_registry_is_waited_for_once(keys: dict[str, str], tmp_path: Path) -> None:
    """All tries are made for the first entry; then everything is made here, without a further word."""
    (tmp_path / "key").write_text(keys["ours.pem"])
    done = run_session(tmp_path, SILENT)

    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout) == [0, 1]
    told = [line for line in done.stderr.splitlines() if line.startswith("cache: ")]
    assert len(told) == 1
    assert "cannot be reached" in told[0]
    assert "(try 6 of 6); made here instead" in told[0]


def test_a_cache_without_a_key_is_refused(proxy: Proxy, tmp_path: Path) -> None:
    """Nobody would vouch for what is taken: the message says how to make a key."""
    (tmp_path / "wanted.json").write_text(json.dumps({"address": f"{proxy.address}/cache"}))
    done = run_session(tmp_path, THROUGH)

    assert done.returncode != 0
    assert "--cache needs a key" in done.stderr
    assert "openssl genpkey" in done.stderr


def test_a_malformed_address_is_refused(keys: dict[str, str], tmp_path: Path) -> None:
    """A typing error stops the build before anything is made: else every build would be slow for ever."""
    wanted = {"address": "ghcr.io/Me/App:latest", "public": keys["ours.pub"]}
    (tmp_path / "wanted.json").write_text(json.dumps(wanted))
    done = run_session(tmp_path, THROUGH)

    assert done.returncode != 0
    assert "ghcr.io/Me/App:latest" in done.stderr
    assert "expected" in done.stderr


def test_layers_of_an_archive_are_those_that_were_made(tmp_path: Path) -> None:
    """An image built on what another machine packed is the image built on the original, byte for byte."""
    done = run_session(tmp_path, ARCHIVED)
    assert done.returncode == 0, done.stderr[-2000:]
    made, again, other = json.loads(done.stdout)

    assert made == again
    assert made != other
