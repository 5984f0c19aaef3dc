"""Services of the host."""

import ipaddress

from wheelhouse_engine.services import loopback_address


def test_processes_have_addresses_of_their_own():
    """Two processes at once reach services of equal ports: no address of one is the other's."""
    addresses = {loopback_address(process, number) for process in range(1000, 1200) for number in (1, 2, 249)}

    assert len(addresses) == 600
    assert all(ipaddress.ip_address(address).is_loopback for address in addresses)
