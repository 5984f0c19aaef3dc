"""Start the service of an image with no network, no writable root and no privileges; see what holds.

    python3 -m verify.trial --archive RAW --facts FILE --root /image --out FILE

Runs as root with every capability in a container of the pipeline: it confines the service to
namespaces of its own and to the image's root, mounted read-only, with a tmpfs at /tmp and /dev/shm
only; the service itself has a user of no image with group 0, as OpenShift gives it, one processor, no
capability and no_new_privs. Writes the verdicts as JSON.
"""

import argparse
import json
import subprocess
import sys
import time
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

from verify.advice import Ending, advice
from verify.confined import ORPHANS, Confined
from verify.image import Image
from verify.opened import EXPECTED as LITTLE
from verify.opened import NAME as OPENED
from verify.opened import opened_verdict
from verify.request import NAME as ASKED
from verify.request import probe_verdict
from verify.subject import Facts
from verify.verdict import Verdict

READY_S: Final = 180
"""Longest wait for readiness; a warmed CPU service needs about one second, on a busy machine a minute."""
WITHOUT_MODEL_S: Final = 6
"""How long a service without its model is watched; the reference service loads in 0.2 s."""
STARTS: Final = "starts under restrictions"
PROBE: Final = "healthcheck can fail"
ASKS_TOO_MUCH: Final = (
    "Let `health` of [tool.wheelhouse] answer 200 within 2 s and without other services; what needs them, or "
    "takes longer, belongs to `ready`."
)


def confined_verdicts(service: Confined, image: Image, known: Facts) -> list[Verdict]:
    """Return the verdicts about the service with its model."""
    started = service.start()
    start_time, up, ended, seconds = time.monotonic(), False, None, 0.0
    while ended is None and not up and seconds < READY_S:
        time.sleep(0.1)
        seconds = time.monotonic() - start_time
        up = service.up(known, seconds)
        ended = service.ended()
    if ended is not None or not up:
        return [
            _not_started(service, known, ended),
            *(_skipped(name, "the service does not start") for name in NEED_A_START),
        ]
    asked = probe_verdict(service.port, known.probe, service.tail())
    opened = opened_verdict(image, service.watch.paths(), known)
    lively = service.health()
    none = "none declared: a worker without health_command" if lively is None else ""
    probes = none or f"exit status {started.silent_probe} with nothing listening, {lively} with the service"
    fails = started.silent_probe not in (0, None)
    good = bool(none) or (fails and lively == 0)
    left = service.zombies()
    return [
        _passed(STARTS, f"ready after {seconds:.1f} s, as user {service.user}"),
        asked,
        _passed(PROBE, probes) if good else _failed_probe(service, probes, fails=fails),
        (_failed if left else _passed)("process 1 reaps zombies", f"{left} of {ORPHANS} left"),
        opened,
    ]


def _failed_probe(service: Confined, probes: str, *, fails: bool) -> Verdict:
    """Return the failure of a probe that cannot fail, or that fails while the service is ready."""
    last = service.tail(probe=True).splitlines()[-1:]
    expected, do = EXPECTED[PROBE]
    do = ASKS_TOO_MUCH if fails else do
    found = ": ".join([probes, *last]) if fails else probes
    return Verdict(name=PROBE, status="failed", found=found, expected=expected, do=do)


def _not_started(service: Confined, known: Facts, status: int | None) -> Verdict:
    """Return the failure of a service that ended or did not become ready, with advice for its cause."""
    http = known.protocol == "http"
    answered = service.answer(known.ready) if http and status is None else 0
    if status is not None:
        found = f"exit status {status}"
    elif http:
        found = f"{known.ready} answered {answered or 'nothing'} for {READY_S} s"
    else:
        found = f"the health check ended with {service.probe()} for {READY_S} s"
    written = service.tail()
    ending = Ending(
        written=written,
        status=status,
        answered=answered,
        path=known.ready if http else "",
        port=known.port,
        listening=service.listening(),
    )
    last = " / ".join(written.splitlines()[-4:])
    return Verdict(
        name=STARTS,
        status="failed",
        found=f"{found}: {last or 'it wrote nothing'}",
        expected=EXPECTED[STARTS][0],
        do=advice(ending),
    )


def modelless_verdict(service: Confined, ready: str) -> Verdict:
    """Return the verdict about the service whose models are hidden."""
    name = "readiness needs the model"
    service.start()
    start_time = time.monotonic()
    while time.monotonic() - start_time < WITHOUT_MODEL_S:
        if (ended := service.ended()) is not None:
            return _passed(name, f"without its models: exit status {ended}")
        if service.answer(ready) == 200:  # noqa: PLR2004
            return _failed(name, f"{ready} answered 200 with an empty /models")
        time.sleep(0.1)
    return _passed(name, f"{ready} never answered 200 without its models")


NEED_A_START: Final = (ASKED, PROBE, "process 1 reaps zombies", OPENED)
EXPECTED: Final = {
    OPENED: (LITTLE, ""),
    ASKED: ("the declared answer", ""),
    STARTS: (
        (
            "ready with no network, as any user of group 0 on one processor, a read-only root, tmpfs at /tmp "
            "and /dev/shm only, no capability, no new privileges"
        ),
        "",
    ),
    PROBE: (
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
    names = {field.name for field in fields(Facts)} & {
        *("base", "budget_unopened_mb", "cuda", "models", "port", "probe", "protocol", "ready")
    }
    known = Facts(**{name: facts[name] for name in names if name in facts})
    settings = image.settings
    if options.only == "confined":
        return confined_verdicts(Confined(options.root, settings, known.port), image, known)
    if not known.models or known.protocol != "http":
        reason = "the service has no readiness path" if known.models else "the variant has no models"
        return [_skipped("readiness needs the model", reason)]
    return [modelless_verdict(Confined(options.root, settings, known.port, hide="/models"), known.ready)]


if __name__ == "__main__":
    sys.exit(main())
