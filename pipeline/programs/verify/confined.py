"""Start the service of an image confined: no network, no writable root, no privileges."""

import ctypes
import fcntl
import os
import socket
import struct
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Final

from verify.opened import Watch
from verify.subject import Facts

NAMESPACES: Final = 0x00020000 | 0x04000000 | 0x08000000 | 0x20000000 | 0x40000000
"""New mounts, host name, IPC, processes, network. Source: sched.h."""
BIND, RECURSIVE, REMOUNT, PRIVATE, READ_ONLY, NO_SUID = 0x1000, 0x4000, 0x20, 0x40000, 1, 2
"""Source: sys/mount.h."""
DROP_BOUND, NO_NEW_PRIVILEGES, LAST_CAPABILITY = 24, 38, 40
"""Source: sys/prctl.h, linux/capability.h."""
INTERFACE_UP, SET_FLAGS = 1, 0x8914
"""Source: net/if.h, linux/sockios.h."""
SETTLED_S: Final = 3
"""How long a worker must run before it counts as started: one that fails ends at once."""
RETRIES: Final = 3
"""Of a HEALTHCHECK that names none. Source: Dockerfile reference."""
ORPHANS: Final = 5
TEMPORARY: Final = "/tmp"  # noqa: S108 - the path inside the image
ANY_USER: Final = 1000740000
"""A user that no image knows; its group is 0. Source: OpenShift's range of a project."""
DEVICES: Final = ("null", "zero", "full", "random", "urandom")
LINKS: Final = {"fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2"}
"""Links that every container has below /dev."""
HOST: Final = "trial"
PROBE_LOG: Final = ".probe"
LISTENING: Final = "0A"
"""State of a socket that accepts connections. Source: linux/tcp_states.h."""
LIBC: Final = ctypes.CDLL(None, use_errno=True)


class Started:
    """What was seen before the service was let go."""

    def __init__(self, silent_probe: int | None) -> None:
        """Keep the exit status of the probe with nothing listening."""
        self.silent_probe = silent_probe


class Confined:
    """One service, started as process 1 of namespaces of its own."""

    def __init__(self, root: str, settings: dict[str, Any], port: int | None, hide: str = "") -> None:
        """Enter the namespaces and mount; nothing is started yet."""
        self.root, self.settings, self.port = root, settings, port
        self.log = Path(f"/tmp/service-{os.getpid()}.log")  # noqa: S108 - the pipeline's own container
        self.process = 0
        self.user = any_user(Path("/proc/self/uid_map").read_text())
        _call("unshare", LIBC.unshare(NAMESPACES))
        _mount("none", "/", "", RECURSIVE | PRIVATE)
        _mount(root, root, "", BIND | RECURSIVE)
        _mount("tmpfs", f"{root}{TEMPORARY}", "tmpfs", NO_SUID, "mode=1777")
        self._devices()
        self._names()
        if hide:
            _mount("tmpfs", f"{root}{hide}", "tmpfs", NO_SUID | READ_ONLY, "mode=755")
        self.watch = Watch(root)
        with socket.socket() as opened:
            fcntl.ioctl(opened, SET_FLAGS, struct.pack("16sh14x", b"lo", INTERFACE_UP))

    def start(self) -> "Started":
        """Hold process 1 back, run the health probe with nothing listening, then let it go."""
        reading, writing = os.pipe()
        self.process = os.fork()
        if self.process == 0:
            os.close(writing)
            _mount("proc", f"{self.root}/proc", "proc", NO_SUID)
            _mount("none", self.root, "", BIND | REMOUNT | READ_ONLY)
            os.read(reading, 1)
            words = [*(self.settings.get("Entrypoint") or ()), *(self.settings.get("Cmd") or ())]
            self._become(words)
        os.close(reading)
        time.sleep(0.2)
        silent = self.probe()
        os.close(writing)
        return Started(silent_probe=silent)

    def probe(self) -> int | None:
        """Return the exit status of the image's HEALTHCHECK inside; None where there is none."""
        test = (self.settings.get("Healthcheck") or {}).get("Test") or []
        if test[:1] != ["CMD"]:
            return None
        child = os.fork()
        if child == 0:
            self.log = self.log.with_suffix(PROBE_LOG)
            self._become(test[1:])
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    def health(self) -> int | None:
        """Return the exit status of the probe, tried as often as the image says before it is unhealthy."""
        tries = (self.settings.get("Healthcheck") or {}).get("Retries") or RETRIES
        status = self.probe()
        for _ in range(tries - 1):
            status = status and self.probe()
        return status

    def up(self, known: Facts, seconds: float) -> bool:
        """Return whether the service serves, or a worker has run for a while; its health check agrees."""
        if known.protocol == "http":
            return self.answer(known.ready) == 200  # noqa: PLR2004
        if known.port is None and seconds < SETTLED_S:
            return False
        return self.probe() in (0, None)

    def answer(self, path: str) -> int:
        """Return the status that the service answers with, 0 when it does not answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as reply:
                return int(reply.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def ended(self) -> int | None:
        """Return the exit status of process 1, None while it runs."""
        pid, status = os.waitpid(self.process, os.WNOHANG)
        return os.waitstatus_to_exitcode(status) if pid else None

    def zombies(self) -> int:
        """Leave ORPHANS dead processes to process 1; return how many it has not reaped after 2 s."""
        for _ in range(ORPHANS):
            child = os.fork()
            if child == 0:
                if os.fork() == 0:
                    time.sleep(0.2)
                os._exit(0)
            os.waitpid(child, 0)
        time.sleep(2)
        stats = (path.read_text() for path in Path(f"{self.root}/proc").glob("[0-9]*/stat"))
        return sum(text.rpartition(")")[2].split()[:2] == ["Z", "1"] for text in stats)

    def tail(self, *, probe: bool = False) -> str:
        """Return the last lines that the service, or its probe, wrote."""
        log = self.log.with_suffix(PROBE_LOG) if probe else self.log
        return "\n".join(log.read_text(errors="replace").strip().splitlines()[-40:])

    def listening(self) -> list[int]:
        """Return the ports on which something accepts connections."""
        tables = (Path(f"/proc/self/net/{name}") for name in ("tcp", "tcp6"))
        rows = [
            line.split() for table in tables if table.exists() for line in table.read_text().splitlines()[1:]
        ]
        return sorted({int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == LISTENING})

    def _devices(self) -> None:
        """Make the /dev that every container has, shared memory of 64 MB included."""
        place = Path(self.root, "dev")
        _mount("tmpfs", str(place), "tmpfs", NO_SUID, "mode=755,size=64k")
        for name in DEVICES:
            (place / name).touch()
            _mount(f"/dev/{name}", str(place / name), "", BIND)
        for name, target in LINKS.items():
            (place / name).symlink_to(target)
        (place / "shm").mkdir()
        _mount("tmpfs", str(place / "shm"), "tmpfs", NO_SUID, "mode=1777,size=64m")

    def _names(self) -> None:
        """Give the container a name, /etc/hosts with it, and /sys, as every engine does."""
        LIBC.sethostname(HOST.encode(), len(HOST))
        with tempfile.NamedTemporaryFile("w", delete=False) as hosts:
            hosts.write(f"127.0.0.1 localhost {HOST}\n::1 localhost\n")
        Path(hosts.name).chmod(0o644)
        target = Path(self.root, "etc/hosts")
        if not target.exists():
            target.parent.mkdir(exist_ok=True)
            target.touch()
        _mount(hosts.name, str(target), "", BIND)
        if Path(self.root, "sys").is_dir():
            _mount("/sys", f"{self.root}/sys", "", BIND | RECURSIVE)

    def _become(self, words: list[str]) -> None:
        """Turn this process into a program of the image, without any privilege."""
        try:
            log = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            for number in (1, 2):
                os.dup2(log, number)
            os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
            os.chroot(self.root)
            os.chdir(self.settings.get("WorkingDir") or "/")
            for number in range(LAST_CAPABILITY + 1):
                LIBC.prctl(DROP_BOUND, number, 0, 0, 0)
            os.setgroups([])
            os.setresgid(0, 0, 0)
            os.setresuid(*[self.user] * 3)
            _call("no_new_privs", LIBC.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0))
            environment = dict(text.split("=", 1) for text in self.settings.get("Env") or ())
            os.environ.clear()
            os.environ.update(environment)
            os.execvpe(words[0], words, environment)  # noqa: S606
        except (FileNotFoundError, PermissionError) as error:
            # In the words of tini, which starts the command of our own images.
            os.write(2, f"exec {words[0]} failed: {error.strerror}\n".encode())
            os._exit(127)
        except BaseException as error:  # noqa: BLE001 - the parent reads it from the log
            os.write(2, f"{type(error).__name__}: {error}\n".encode())
            os._exit(127)


def any_user(uid_map: str) -> int:
    """Return ANY_USER, or the last user of a namespace that has it not."""
    rows = [[int(word) for word in line.split()] for line in uid_map.splitlines()]
    if any(first <= ANY_USER < first + count for first, _, count in rows):
        return ANY_USER
    return max(first + count - 1 for first, _, count in rows)


def _call(name: str, result: int) -> None:
    if result < 0:
        raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")


def _mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    words = [text.encode() or None for text in (source, target, kind)]
    _call(f"mount {target}", LIBC.mount(*words, ctypes.c_ulong(flags), data.encode() or None))
