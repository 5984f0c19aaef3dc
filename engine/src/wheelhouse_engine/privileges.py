"""Know who this process is: root, somebody, or somebody who is root in a user namespace of their own."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

ROOTLESS_UID: Final = "_CONTAINERS_ROOTLESS_UID"
"""Set by `buildah unshare`: who the user is outside."""


def is_machine_root() -> bool:
    """Say whether this process is root, and not only in a user namespace."""
    try:
        first = Path("/proc/self/uid_map").read_text().split()
    except OSError:
        return os.geteuid() == 0
    return os.geteuid() == 0 and first[:2] == ["0", "0"]


def user_id() -> int:
    """Return the number of the user outside any user namespace."""
    text = os.environ.get(ROOTLESS_UID, "")
    return int(text) if text.isdecimal() and not is_machine_root() else os.geteuid()


def enter_user_namespace(arguments: Sequence[str], environ: Mapping[str, str]) -> None:
    """Become the same program inside `buildah unshare` when it would run without root; else do nothing.

    There the user is root over their own and their subordinate ids, so that
    layers can be mounted and owners kept. Where the machine does not let them,
    buildah says so; `wheelhouse doctor` says what to do.
    """
    if os.geteuid() == 0 or ROOTLESS_UID in environ or sys.platform != "linux":
        return
    words = ["buildah", "unshare", sys.executable, "-m", "wheelhouse_engine", *arguments]
    try:
        os.execvpe("buildah", words, dict(environ))  # noqa: S606
    except FileNotFoundError:
        return  # the engine itself says that buildah is missing
