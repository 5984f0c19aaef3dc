"""HTTP requests with a deadline for all of them together."""

import contextlib
import json
import socket
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

REQUEST_S: Final = 30.0
"""Longest wait for one answer."""


class Deadline:
    """The moment by which everything must be done."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._at = time.monotonic() + seconds

    def left(self, most: float = REQUEST_S) -> float:
        """Return the seconds that a step may still take.

        Raises:
            TimeoutError: none is left.

        """
        left = self._at - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"no end within {self.seconds:g} s (test_timeout)")
        return min(left, most)


@dataclass(frozen=True)
class Client:
    """Ask one host."""

    base: str
    """`http://host:port`."""
    deadline: Deadline

    @property
    def address(self) -> tuple[str, int]:
        """Return host and port."""
        parts = urlsplit(self.base)
        return str(parts.hostname), parts.port or 80

    def ask(self, path: str, body: object = None) -> tuple[int, bytes]:
        """Return status and body of a GET, or of a POST of JSON; status 0 when nothing answers."""
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        url = self.base + path
        request = urllib.request.Request(url, data=data, headers=headers)  # noqa: S310 - the pipeline's own URL
        timeout = self.deadline.left()
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:  # noqa: S310
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()
        except OSError as error:
            return 0, str(error).encode()

    def wrong(self, path: str, expected: int) -> str:
        """Return what is wrong with the status of a path; "" for nothing."""
        found, body = self.ask(path)
        if found == expected:
            return ""
        said = f"nothing ({body.decode(errors='replace')})" if not found else str(found)
        return f"{path} answered {said}, {expected} expected"

    def connect(self) -> socket.socket:
        """Return a connection of our own."""
        return socket.create_connection(self.address, timeout=self.deadline.left())

    def status_of(self, raw: bytes) -> int:
        """Send bytes as they are and return the status that comes back; 0 when the connection is closed."""
        with self.connect() as connection:
            with contextlib.suppress(ConnectionError):  # refused before all was read: the answer says so
                connection.sendall(raw)
            return status_line(connection)


def status_line(connection: socket.socket) -> int:
    """Return the status of an answer; 0 when the connection is closed without one."""
    answer = b""
    try:
        while b"\r\n" not in answer and (data := connection.recv(4096)):
            answer += data
    except ConnectionError:
        return 0
    words = answer.split(b" ", 2)
    return int(words[1]) if answer.startswith(b"HTTP/") and len(words) > 1 else 0
