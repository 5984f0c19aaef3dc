"""What to do about a service that does not start confined, by what it wrote and how it ended."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

TABLE: Final = "[tool.wheelhouse] of pyproject.toml"
KILLED, CRASHED = (-9, 137), (-11, 139)
"""Exit statuses of SIGKILL and SIGSEGV, of the process itself and as its init passes them on."""
NOT_FOUND: Final = 404


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What a service that did not become ready did."""

    written: str = ""
    """The last lines of its output."""
    status: int | None = None
    """Exit status; None while it runs."""
    answered: int = 0
    """HTTP status of its readiness path; 0 for no answer."""
    path: str = ""
    """The readiness path; "" for a service without HTTP."""
    port: int | None = None
    listening: Sequence[int] = ()
    """Ports on which something accepts connections."""


CAUSES: Final = (
    (
        r"exec (?P<program>\S+) failed: No such file or directory",
        (
            "Fix `command` of {table}: the image has no program {program!r}. The package that brings it must "
            "be in the lock, a Debian program in os_packages, a shell needs shell = true."
        ),
    ),
    (
        r"exec (?P<program>\S+) failed: (?:Permission denied|Exec format error)",
        (
            "Fix `command` of {table}: {program!r} cannot be executed. Start it with its interpreter, "
            'e.g. command = ["python", "{program}"].'
        ),
    ),
    (
        r"(?:Read-only file system|Permission denied)[^'\n]*'/srv/app/(?P<path>[^']+)'",
        (
            "Name what the service changes in `writable` of {table}, e.g. the folder of {path}: a copy below "
            "/tmp takes its place. Or let it write below /tmp."
        ),
    ),
    (
        r"attempt to write a readonly database|unable to open database file",
        (
            'Name the folder of the database in `writable` of {table}, e.g. writable = ["app/index"]: a copy '
            "below /tmp takes its place. A database that is made at start belongs below /tmp."
        ),
    ),
    (
        r"Read-only file system: '(?P<path>[^']+)'",
        (
            "Write below /tmp only: {path} is read-only in production, too. Point the library that writes "
            'there to /tmp by its own variable, or by HOME = "/tmp", in [tool.wheelhouse.env].'
        ),
    ),
    (
        r"(?:PermissionError|Permission denied)[^'\n]*(?P<path>'/[^']+')",
        (
            "Write below /tmp only: the service's user may not write {path}. Point the library that writes "
            'there to /tmp by its own variable, or by HOME = "/tmp", in [tool.wheelhouse.env].'
        ),
    ),
    (
        r"Read-only file system",
        (
            'Write below /tmp only: set the variable of the library that writes, or HOME = "/tmp", in '
            "[tool.wheelhouse.env]."
        ),
    ),
    (
        r"(?P<library>lib[\w.+-]+\.so[.\d]*): cannot open shared object file",
        "Add the Debian package that has {library} to os_packages of the variant in pyproject.toml.",
    ),
    (
        r"(?:ModuleNotFoundError: No module named|ImportError: cannot import name) '(?P<module>[^']+)'",
        (
            "{module!r} is not in the image: lock the package that has it, name its folder in `packages`, or "
            "switch off the prune rule that dropped it with `keep` of the variant in pyproject.toml."
        ),
    ),
    (
        (
            r"Network is unreachable|Name or service not known|Temporary failure in name resolution"
            r"|Failed to resolve|Max retries exceeded|ConnectError|LocalEntryNotFound|OfflineModeIsEnabled"
        ),
        (
            "Fetch nothing at start: the trial has no network. Bring files into the image at build time "
            "(`packages`, [tool.wheelhouse.models]), and connect to other services at the first request."
        ),
    ),
    (
        r"FileNotFoundError[^'\n]*(?P<path>'[^']+')",
        "{path} is not in the image: name its folder in `packages` of {table}; it is placed below /srv/app.",
    ),
    (
        r"KeyError: '(?P<name>[A-Z][A-Z0-9_]+)'|(?P<settings>Field required)",
        "Give each variable that the service requires at start a default in [tool.wheelhouse.env].",
    ),
    (
        r"Address already in use",
        "Let one process listen on the port: the service starts something twice.",
    ),
)
"""What is written -> what to do; the first that is found counts."""


def advice(ending: Ending) -> str:
    """Return what to do about a service that did not become ready."""
    if ending.status is not None:
        return _of_output(ending.written) or _of_status(ending.status)
    if ending.answered:
        key = f"`ready` (or `health`) of {TABLE}"
        if ending.answered == NOT_FOUND:
            return f"Set {key} to a path that the service has: {ending.path} is none of them."
        return f"Let {ending.path} answer 200 once requests can be served, or set {key} to a path that does."
    others = [port for port in ending.listening if port != ending.port]
    if ending.port is not None and others and ending.port not in ending.listening:
        ports = " and ".join(map(str, others))
        return f"Set `port` of {TABLE}: the service listens on {ports}, not on {ending.port}."
    return _of_output(ending.written) or (
        f"Let the service listen on `port` of {TABLE} in time; its last lines say what it waits for."
        if ending.port is not None
        else "Let the health check of the image succeed; its last lines say what it waits for."
    )


def _of_output(written: str) -> str:
    for pattern, text in CAUSES:
        if match := re.search(pattern, written):
            return text.format(table=TABLE, **match.groupdict())
    return ""


def _of_status(status: int) -> str:
    if status == 0:
        return f"Let `command` of {TABLE} stay in the foreground: it ended by itself, without an error."
    if status in KILLED:
        return "Give the machine more memory, or load less at start: the kernel ended the process (SIGKILL)."
    if status in CRASHED:
        return "Import the packages one by one to find the one that crashes (SIGSEGV)."
    return (
        "Fix what its last lines say; the image shows it again under docker run --read-only --network=none "
        "--tmpfs /tmp."
    )
