"""Which bytes of an image a service opens from its start until it is ready."""

import ctypes
import os
import struct
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Final

from verify.image import Image
from verify.subject import SLIM, Facts
from verify.verdict import Verdict, listed

NAME: Final = "bytes opened at start"
EXPECTED: Final = "at most budget_unopened_mb that nothing opens until the service is ready"
DO: Final = (
    "Look at the largest: drop them with a prune rule, or the dependency that brings them; raise "
    "budget_unopened_mb of the variant for what the service opens later."
)
NAMED: Final = 6
NON_BLOCKING, UNLIMITED_QUEUE, MARK_ADD, MARK_MOUNT = 0x02, 0x10, 0x01, 0x10
ON_OPEN, ON_EXEC, WORKING_FOLDER = 0x20, 0x1000, -100
"""Source: linux/fanotify.h, fcntl.h."""
EVENT: Final = struct.Struct("=IBBHQii")
"""Length, version, reserved, length of this head, mask, open file, process."""


class Watch:
    """Notes every file that is opened through one mount."""

    def __init__(self, mount: str) -> None:
        """Begin to watch.

        Raises:
            OSError: the kernel has no fanotify, or grants none.

        """
        libc = ctypes.CDLL(None, use_errno=True)
        self.mount = mount
        self.events = libc.fanotify_init(NON_BLOCKING | UNLIMITED_QUEUE, os.O_RDONLY | os.O_LARGEFILE)
        mask = ctypes.c_uint64(ON_OPEN | ON_EXEC)
        path = mount.encode()
        marked = self.events >= 0 and libc.fanotify_mark(
            self.events, MARK_ADD | MARK_MOUNT, mask, WORKING_FOLDER, path
        )
        if self.events < 0 or marked:
            raise OSError(ctypes.get_errno(), f"fanotify: {os.strerror(ctypes.get_errno())}")

    def paths(self) -> set[str]:
        """Return what was opened so far and not yet detail, as absolute paths below the mount."""
        found: set[str] = set()
        while True:
            try:
                data = os.read(self.events, 8192)
            except BlockingIOError:
                return found
            while data:
                length, _, _, _, _, opened, _ = EVENT.unpack_from(data)
                found.add(str(Path(f"/proc/self/fd/{opened}").readlink()).removeprefix(self.mount))
                os.close(opened)
                data = data[length:]


def opened_verdict(image: Image, opened: AbstractSet[str], known: Facts) -> Verdict:
    """Return the verdict about the bytes that nothing opened, against the service's own budget.

    Args:
        image: whose files count.
        opened: absolute paths of the files that were opened.
        known: the budget, and whether the image has a whole userland or CUDA libraries: then skipped.

    """
    sizes = {entry.path: entry.size for entry in image.files}
    closed = sorted(((size, path) for path, size in sizes.items() if path not in opened), reverse=True)
    unopened, total = sum(size for size, _ in closed), sum(sizes.values())
    detail = f"{unopened / 1e6:.1f} MB of {total / 1e6:.1f} MB never opened"
    if known.base == "slim" or known.cuda:
        reason = SLIM if known.base == "slim" else "CUDA is loaded with a GPU only"
        return Verdict(name=NAME, status="skipped", reason=f"{reason} ({detail})", expected=EXPECTED)
    if known.budget_unopened_mb is None:
        reason = f"no budget_unopened_mb is declared ({detail})"
        return Verdict(name=NAME, status="skipped", reason=reason, expected=EXPECTED)
    detail = f"{detail}, budget {known.budget_unopened_mb} MB"
    if unopened <= known.budget_unopened_mb * 1e6:
        return Verdict(name=NAME, status="passed", found=detail, expected=EXPECTED)
    largest = listed([f"{path} {size / 1e6:.1f} MB" for size, path in closed[:NAMED]])
    return Verdict(name=NAME, status="failed", found=f"{detail}: {largest}", expected=EXPECTED, do=DO)
