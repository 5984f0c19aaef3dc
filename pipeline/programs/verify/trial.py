"""Start the service of an image with no network, no writable root and no privileges; see what holds.

    python3 -m verify.trial --archive RAW --facts FILE --root /image --out FILE

Runs as root with every capability in a container of the pipeline: it confines the service to
namespaces of its own and to the image's root, mounted read-only, with a tmpfs at /tmp only; the
service itself has the image's user, no capability and no_new_privs. Writes the verdicts as JSON.
"""

import argparse
import ctypes
import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Final

from verify.image import Image
from verify.opened import EXPECTED as LITTLE
from verify.opened import LEAST_OPENED, Watch, opened_verdict
from verify.opened import NAME as OPENED
from verify.subject import Facts
from verify.verdict import Verdict

NAMESPACES: Final = 0x00020000 | 0x04000000 | 0x08000000 | 0x20000000 | 0x40000000
"""New mounts, host name, IPC, processes, network. Source: sched.h."""
BIND, RECURSIVE, REMOUNT, PRIVATE, READ_ONLY, NO_SUID = 0x1000, 0x4000, 0x20, 0x40000, 1, 2
"""Source: sys/mount.h."""
DROP_BOUND, NO_NEW_PRIVILEGES, LAST_CAPABILITY = 24, 38, 40
"""Source: sys/prctl.h, linux/capability.h."""
INTERFACE_UP, SET_FLAGS = 1, 0x8914
"""Source: net/if.h, linux/sockios.h."""
READY_S: Final = 60
"""Longest wait for readiness; a warmed CPU service needs about one second."""
SETTLED_S: Final = 3
"""How long a worker must run before it counts as started: one that fails ends at once."""
WITHOUT_MODEL_S: Final = 6
"""How long a service without its model is watched; the reference service loads in 0.2 s."""
ORPHANS: Final = 5
TEMPORARY: Final = "/tmp"  # noqa: S108 - the path inside the image
LIBC: Final = ctypes.CDLL(None, use_errno=True)


class Confined:
    """One service, started as process 1 of namespaces of its own."""

    def __init__(self, root: str, settings: dict[str, Any], port: int | None, hide: str = "") -> None:
        """Enter the namespaces and mount; nothing is started yet."""
        self.root, self.settings, self.port = root, settings, port
        self.log = Path(f"/tmp/service-{os.getpid()}.log")  # noqa: S108 - the pipeline's own container
        self.process = 0
        _call("unshare", LIBC.unshare(NAMESPACES))
        _mount("none", "/", "", RECURSIVE | PRIVATE)
        _mount(root, root, "", BIND | RECURSIVE)
        _mount("tmpfs", f"{root}{TEMPORARY}", "tmpfs", NO_SUID, "mode=1777")
        _mount("tmpfs", f"{root}/dev", "tmpfs", NO_SUID, "mode=755,size=64k")
        for name in ("null", "zero", "full", "random", "urandom"):
            Path(f"{root}/dev/{name}").touch()
            _mount(f"/dev/{name}", f"{root}/dev/{name}", "", BIND)
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
            self.log = self.log.with_suffix(".probe")
            self._become(test[1:])
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

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

    def ended(self) -> str:
        """Return how process 1 ended, "" while it runs."""
        pid, status = os.waitpid(self.process, os.WNOHANG)
        return f"exit status {os.waitstatus_to_exitcode(status)}" if pid else ""

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

    def tail(self) -> str:
        """Return the last lines that the service wrote."""
        return " / ".join(self.log.read_text(errors="replace").strip().splitlines()[-4:])

    def _become(self, words: list[str]) -> None:
        """Turn this process into a program of the image, without any privilege."""
        try:
            log = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            for number in (1, 2):
                os.dup2(log, number)
            user, _, group = str(self.settings.get("User") or "0:0").partition(":")
            os.chroot(self.root)
            os.chdir(self.settings.get("WorkingDir") or "/")
            for number in range(LAST_CAPABILITY + 1):
                LIBC.prctl(DROP_BOUND, number, 0, 0, 0)
            os.setgroups([])
            os.setresgid(*[int(group or user)] * 3)
            os.setresuid(*[int(user)] * 3)
            _call("no_new_privs", LIBC.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0))
            environment = dict(text.split("=", 1) for text in self.settings.get("Env") or ())
            os.environ.clear()
            os.environ.update(environment)
            os.execvpe(words[0], words, environment)  # noqa: S606
        except BaseException as error:  # noqa: BLE001 - the parent reads it from the log
            os.write(2, f"{type(error).__name__}: {error}\n".encode())
            os._exit(127)


class Started:
    """What was seen before the service was let go."""

    def __init__(self, silent_probe: int | None) -> None:
        """Keep the exit status of the probe with nothing listening."""
        self.silent_probe = silent_probe


def confined_verdicts(service: Confined, image: Image, known: Facts) -> list[Verdict]:
    """Return the verdicts about the service with its model."""
    started = service.start()
    begun, up, ended, seconds = time.monotonic(), False, "", 0.0
    while not ended and not up and seconds < READY_S:
        time.sleep(0.1)
        seconds = time.monotonic() - begun
        up = service.up(known, seconds)
        ended = service.ended()
    if ended or not up:
        found = ended or _silent(service, known)
        return [
            _failed("starts under restrictions", f"{found}: {service.tail()}"),
            *(_skipped(name, "the service does not start") for name in NEED_A_START),
        ]
    opened = opened_verdict(image, service.watch.paths(), whole_base=known.base == "slim", cuda=known.cuda)
    lively = service.probe()
    none = "none declared: a worker without health_command" if lively is None else ""
    probes = none or f"exit status {started.silent_probe} with nothing listening, {lively} with the service"
    good = bool(none) or (started.silent_probe not in (0, None) and lively == 0)
    left = service.zombies()
    return [
        _passed("starts under restrictions", f"ready after {seconds:.1f} s"),
        (_passed if good else _failed)("healthcheck can fail", probes),
        (_failed if left else _passed)("process 1 reaps zombies", f"{left} of {ORPHANS} left"),
        opened,
    ]


def _silent(service: Confined, known: Facts) -> str:
    """Return what a service that is not up does."""
    if known.protocol == "http":
        return f"{known.ready} answered {service.answer(known.ready) or 'nothing'} for {READY_S} s"
    return f"the health check ended with {service.probe()} for {READY_S} s"


def modelless_verdict(service: Confined, ready: str) -> Verdict:
    """Return the verdict about the service whose models are hidden."""
    name = "readiness needs the model"
    service.start()
    begun = time.monotonic()
    while time.monotonic() - begun < WITHOUT_MODEL_S:
        if ended := service.ended():
            return _passed(name, f"without its models: {ended}")
        if service.answer(ready) == 200:  # noqa: PLR2004
            return _failed(name, f"{ready} answered 200 with an empty /models")
        time.sleep(0.1)
    return _passed(name, f"{ready} never answered 200 without its models")


NEED_A_START: Final = ("healthcheck can fail", "process 1 reaps zombies", OPENED)
EXPECTED: Final = {
    OPENED: (LITTLE.format(least=LEAST_OPENED), ""),
    "starts under restrictions": (
        "ready with no network, a read-only root, a tmpfs at /tmp only, no capability, no new privileges",
        "Write to /tmp only, and fetch nothing at start: bring it into the image at build time.",
    ),
    "healthcheck can fail": (
        "not 0 with nothing listening, 0 once the service is ready",
        "Let the probe ask the service's own port and fail on anything but 200.",
    ),
    "process 1 reaps zombies": ("0 left", "Start the service under an init: ENTRYPOINT tini --."),
    "readiness needs the model": (
        "not 200 while the model is not loaded",
        "Declare a `ready` path that answers 503 until the model is loaded and warm.",
    ),
}


def _passed(name: str, found: str) -> Verdict:
    return Verdict(name=name, status="passed", found=found, expected=EXPECTED[name][0])


def _failed(name: str, found: str) -> Verdict:
    expected, do = EXPECTED[name]
    return Verdict(name=name, status="failed", found=found, expected=expected, do=do)


def _skipped(name: str, reason: str) -> Verdict:
    return Verdict(name=name, status="skipped", reason=reason, expected=EXPECTED[name][0])


def _call(name: str, result: int) -> None:
    if result < 0:
        raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")


def _mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    words = [text.encode() or None for text in (source, target, kind)]
    _call(f"mount {target}", LIBC.mount(*words, ctypes.c_ulong(flags), data.encode() or None))


def main() -> int:
    """Run both trials, each in a process of its own, and write their verdicts."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--archive", "--facts", "--out"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--root", required=True)
    parser.add_argument("--only", choices=("confined", "modelless"))
    options = parser.parse_args()
    if options.only is None:
        command = [sys.executable, "-m", "verify.trial", *sys.argv[1:], "--only"]
        running = [
            subprocess.Popen([*command, trial], stdout=subprocess.PIPE) for trial in ("confined", "modelless")
        ]
        verdicts = [line for one in running for line in json.loads(one.communicate()[0])]
        options.out.write_text(json.dumps(verdicts))
        return 0
    facts = json.loads(options.facts.read_text())
    image = Image.read(options.archive)
    print(json.dumps([one.line for one in _trial(options, facts, image)]))
    return 0


def _trial(options: argparse.Namespace, facts: dict[str, Any], image: Image) -> list[Verdict]:
    known = Facts(
        base=facts.get("base", "small"),
        cuda=facts.get("cuda", False),
        port=facts["port"],
        protocol=facts.get("protocol", "http"),
        ready=facts["ready"],
        models=tuple(facts["models"]),
    )
    settings = image.settings
    if options.only == "confined":
        return confined_verdicts(Confined(options.root, settings, known.port), image, known)
    if not known.models or known.protocol != "http":
        reason = "the service has no readiness path" if known.models else "the variant has no models"
        return [_skipped("readiness needs the model", reason)]
    return [modelless_verdict(Confined(options.root, settings, known.port, hide="/models"), known.ready)]


if __name__ == "__main__":
    sys.exit(main())
