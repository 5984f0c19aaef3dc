"""Ports of the loopback that nothing listens on."""

import socket
from typing import Final

SILENT: Final = {"docker.io": "127.0.0.1:1"}
"""A mirror that is not there: nothing listens on port 1."""


def free_port() -> int:
    """Return a port of the loopback that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
