"""Check a started service from outside and write what was found as JUnit.

    python3 -m service_check --base http://app:8000 --supervisor http://app:9009 --health /health
        --ready /ready --seconds 600 --out DIR [--reference FILE] [--protocol http] [--probe]

Writes http.xml, http.log, http.json (exit code and seconds) and service.log, whatever happens; exit
status 1 when a check failed. When the service does not become ready, the checks that need it are
skipped with that reason. With --reference the service must answer POST /v1/embeddings in the OpenAI
shape, equal to the reference. With --protocol grpc, tcp or none the service is asked what such a service
can be asked; with --probe also its own health check, which the supervisor runs.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree as ET

from service_check.asking import Client, Deadline
from service_check.checks import Check, Target, checks
from service_check.plain import plain_checks

NEEDED = ("start", "ready")
"""Checks without which the others say nothing."""


def main() -> int:
    """Return 1 when a check failed."""
    options = _options()
    deadline = Deadline(options.seconds)
    items = json.loads(options.reference.read_text())["items"] if options.reference else []
    target = Target(
        Client(options.base, deadline), Client(options.supervisor, Deadline(options.seconds + 60)),
        options.health, options.ready, items,
    )  # fmt: skip
    started = time.monotonic()
    if options.protocol == "http":
        chosen = checks(target)
    else:
        chosen = plain_checks(options.protocol, probe=options.probe)
    suite, lines, failures = run(target, chosen)
    end = {"exit_code": int(bool(failures)), "seconds": round(time.monotonic() - started, 3)}
    ET.ElementTree(suite).write(options.out / "http.xml", encoding="unicode", xml_declaration=True)
    (options.out / "http.log").write_text("\n".join(lines) + "\n")
    (options.out / "http.json").write_text(json.dumps(end))
    (options.out / "service.log").write_text(target.log())
    return int(bool(failures))


def run(target: Target, chosen: Iterable[tuple[str, Check]]) -> tuple[ET.Element, list[str], int]:
    """Return the JUnit suite, one line for each check, and how many failed."""
    suite = ET.Element("testsuite", name="http")
    lines: list[str] = []
    failed: list[str] = []
    skipped = 0
    for name, check in chosen:
        missing = [need for need in NEEDED if need in failed]
        started = time.monotonic()
        wrong = "" if missing else _outcome(check, target)
        seconds = time.monotonic() - started
        case = ET.SubElement(suite, "testcase", classname="http", name=name, time=f"{seconds:.3f}")
        if missing:
            skipped += 1
            ET.SubElement(case, "skipped", message=f"{missing[0]} failed")
        elif wrong:
            failed.append(name)
            ET.SubElement(case, "failure", message=wrong)
        result = "skipped" if missing else "failed" if wrong else "passed"
        lines.append(f"{result:7}  {seconds:6.3f} s  {name}{': ' if wrong else ''}{wrong}")
        print(lines[-1], flush=True)
    for count, number in (("tests", len(lines)), ("failures", len(failed)), ("skipped", skipped)):
        suite.set(count, str(number))
    return suite, lines, len(failed)


def _outcome(check: Check, target: Target) -> str:
    try:
        return check(target)
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        return f"{type(error).__name__}: {error}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--base", "--supervisor", "--health", "--ready"):
        parser.add_argument(name, required=True)
    parser.add_argument("--protocol", choices=("http", "grpc", "tcp", "none"), default="http")
    parser.add_argument("--probe", action="store_true", help="the image has a health check")
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--reference", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
