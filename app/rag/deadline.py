"""Deadline: a connection that never finishes a request head is closed.

uvicorn restarts no clock for a head that trickles in, so one client could hold a
connection for ever.
"""

from asyncio import TimerHandle, Transport
from typing import ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol


class HeadDeadline(H11Protocol):
    """Close the connection when no request head is complete in time."""

    seconds: ClassVar[float] = 10.0
    """Time from the connection, or from the first byte of the next head, to its end."""

    head_timer: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Start the clock."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Let the clock run while a head is incomplete."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._unwatch()
        super().connection_lost(exc)

    def _watch(self) -> None:
        if self.conn.their_state is not h11.IDLE:
            self._unwatch()
        elif self.head_timer is None and not self.transport.is_closing():
            self.head_timer = self.loop.call_later(self.seconds, self._give_up)

    def _unwatch(self) -> None:
        if self.head_timer is not None:
            self.head_timer.cancel()
            self.head_timer = None

    def _give_up(self) -> None:
        self.head_timer = None
        if self.conn.their_state is h11.IDLE:
            self.transport.close()


def head_deadline(seconds: float) -> type[HeadDeadline]:
    """Make the protocol class with another deadline: uvicorn passes it no settings of ours."""
    return type("HeadDeadline", (HeadDeadline,), {"seconds": seconds})
