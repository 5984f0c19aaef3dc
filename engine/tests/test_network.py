"""Addresses of services: as many as are needed, and none twice."""

import ipaddress

import pytest

from wheelhouse_engine import network as module
from wheelhouse_engine.errors import EngineError
from wheelhouse_engine.network import Network
from wheelhouse_engine.runner import Completed, RecordingRunner

pytestmark = pytest.mark.usefixtures("as_root")


@pytest.fixture
def as_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the commands be recorded whoever runs the tests."""
    monkeypatch.setattr(module, "is_machine_root", lambda: True)


async def test_a_session_has_thousands_of_addresses() -> None:
    """After 254 services there are more, each an address of the same network."""
    network = Network(RecordingRunner())

    addresses = {(await network.join())[1] for _ in range(600)}

    assert len(addresses) == 600
    assert all(ipaddress.ip_address(one) in network.subnet for one in addresses)
    assert str(network.subnet[1]) not in addresses


async def test_an_address_that_was_freed_is_given_again_at_last() -> None:
    """Services that end give their address back; it is used once all others were."""
    network = Network(RecordingRunner(), subnet=ipaddress.IPv4Network("10.9.0.0/29"))
    first, *others = [await network.join() for _ in range(4)]
    await network.leave(first[0])

    again = [(await network.join())[1] for _ in range(2)]

    assert again[1] == first[1]
    assert again[0] not in {address for _, address in others}
    with pytest.raises(EngineError, match="5 services and addresses are in use at once"):
        await network.join()


async def test_an_address_of_the_host_is_free_after_its_use() -> None:
    """A forward's address is removed from the bridge, also when its user failed."""
    runner = RecordingRunner()
    network = Network(runner)
    with pytest.raises(ValueError, match="of the user"):
        async with network.address() as address:
            raise ValueError("of the user")

    assert ("ip", "addr", "del", f"{address}/32", "dev", network.name) in [call.argv for call in runner.calls]


@pytest.mark.parametrize("prefix", [8, 16, 24])
async def test_a_network_in_use_is_avoided(prefix: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A subnet that overlaps one of this machine is drawn again; one inside a route of a VPN is not."""
    drawn = iter([ipaddress.IPv4Network("10.150.32.0/20"), ipaddress.IPv4Network("10.160.0.0/20")])
    monkeypatch.setattr(module, "random_subnet", lambda: next(drawn))
    listed = f"2: eth0    inet 10.150.40.7/{prefix} brd x scope global eth0".encode()
    network = Network(RecordingRunner({("ip", "-4"): Completed(0, listed)}), subnet=module.random_subnet())

    await network.join()

    assert str(network.subnet[0]) == ("10.150.32.0" if prefix == 8 else "10.160.0.0")
