"""Outputs of any length take a bounded amount of memory."""

import sys

from wheelhouse_engine.runner import KEPT_BYTES, ProcessRunner
from wheelhouse_engine.tails import Tail


def test_an_output_within_the_limit_is_whole():
    """Nothing is said to be missing, whatever the pieces."""
    tail = Tail(8)
    for piece in (b"abc", b"", b"defgh"):
        tail.add(piece)

    assert (tail.content(), tail.omitted) == (b"abcdefgh", 0)


def test_the_end_of_a_long_output_is_kept():
    """A sentence covers the first of the last bytes and counts those that are missing."""
    tail = Tail(40)
    for number in range(100):
        tail.add(f"{number:04}".encode())

    assert tail.content() == b"[omitting 360 bytes]..." + (b"".join(b"%04d" % n for n in range(90, 100)))[23:]


async def test_a_result_keeps_the_end_of_what_a_sink_has_seen():
    """A process that writes without end costs no more memory than its last mebibyte."""
    seen = 0

    def count(_stream: str, data: bytes) -> None:
        nonlocal seen
        seen += len(data)

    script = f"import sys; sys.stdout.write('x' * {5 * KEPT_BYTES}); sys.stdout.write('end')"
    done = await ProcessRunner().run([sys.executable, "-c", script], sink=count)

    assert seen == 5 * KEPT_BYTES + 3
    assert len(done.stdout) == KEPT_BYTES
    assert done.stdout.endswith(b"xend")
