"""Which bytes of an image a service opens from its start until it is ready."""

import ctypes
import os
import struct
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Final

from verify.image import Image
from verify.verdict import Verdict, listed

NAME: Final = "bytes opened at start"
EXPECTED: Final = "at least {least:.0%} of the bytes opened by a service that starts"
DO: Final = "Look at the largest: drop them with a prune rule, or the dependency that brings them."
LEAST_OPENED: Final = 0.4
"""Smallest share of opened bytes. Source: measured 0.81 (cpu) and 0.64 (api) for the reference service."""
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
        """Return what was opened so far and not yet told, as absolute paths below the mount."""
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


def opened_verdict(image: Image, opened: AbstractSet[str], *, whole_base: bool, cuda: bool) -> Verdict:
    """Return the verdict about the bytes that nobody looked at.

    Args:
        image: whose files count.
        opened: absolute paths of the files that were opened.
        whole_base: the image stands on a whole Debian userland: skipped.
        cuda: the image holds libraries that are opened where a GPU is: skipped.

    """
    sizes = {entry.path: entry.size for entry in image.files}
    total = sum(sizes.values())
    share = sum(size for path, size in sizes.items() if path in opened) / max(1, total)
    told = f"{share:.0%} of {total / 1e6:.1f} MB"
    expected = EXPECTED.format(least=LEAST_OPENED)
    if whole_base or cuda:
        reason = (
            "--base=slim keeps a normal Debian userland" if whole_base else "CUDA is loaded with a GPU only"
        )
        return Verdict(name=NAME, status="skipped", reason=f"{reason} ({told})", expected=expected)
    if share >= LEAST_OPENED:
        return Verdict(name=NAME, status="passed", found=told, expected=expected)
    closed = sorted(((size, path) for path, size in sizes.items() if path not in opened), reverse=True)
    largest = listed([f"{path} {size / 1e6:.1f} MB" for size, path in closed if size][:NAMED])
    return Verdict(name=NAME, status="failed", found=f"{told}; never: {largest}", expected=expected, do=DO)
