"""Tell what a process wrote from what buildah writes beside it."""

import re
import signal
from typing import Final

RUN_NOISE: Final = re.compile(
    rb"(?:container exited on ([a-z0-9/ ]+)\n)?Error: while running runtime: exit status \d+\s*\Z"
)
"""What buildah itself adds to stderr when the process it ran exits with non-zero, or by a signal."""
NOISE_LINES: Final = re.compile(
    rb"(?:container exited on [a-z0-9/ ]+|Error: while running runtime: exit status \d+)(?:\n|\Z)"
)
SIGNALS: Final = {(signal.strsignal(number) or "").lower(): int(number) for number in signal.Signals}


def without_noise(stderr: bytes) -> bytes:
    """Take off the lines that buildah writes after the process's own."""
    return RUN_NOISE.sub(b"", stderr)


def shown_lines(data: bytes) -> bytes:
    """Take buildah's own lines out of output that is shown while it is made."""
    return NOISE_LINES.sub(b"", data)


def signalled(stderr: bytes) -> int:
    """Return the exit code of a process that a signal ended, 128 and its number; 0 for no such end."""
    found = RUN_NOISE.search(stderr)
    number = SIGNALS.get(found.group(1).decode()) if found and found.group(1) else None
    return 128 + number if number else 0
