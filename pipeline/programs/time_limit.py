"""Run tests under a time limit, and keep what they wrote whatever happens.

    time_limit.py --seconds 600 --name tests --out /out -- COMMAND…

Output goes to stdout and to OUT/NAME.log, the end of the run to OUT/NAME.json. At the limit the
command gets SIGINT, so that pytest can still write its reports, and SIGKILL after GRACE_S.
OUT/junit.xml then has a failed case for the limit, also where the command left no file.
Exit status: the command's, 124 at the limit, 1 where a signal ended it.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

GRACE_S: Final = 10
"""Time for writing reports after SIGINT."""
TIMED_OUT: Final = 124
"""Source: timeout(1)."""


def main() -> int:
    """Return the exit status described above."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    started = time.monotonic()
    code, in_time = run(options.command, options.out / f"{options.name}.log", options.seconds)
    seconds = time.monotonic() - started
    junit = options.out / "junit.xml"
    failure = ""
    if not in_time:
        failure = (
            f"no end within {options.seconds:g} s; the last lines of {options.name}.log say where it hangs"
        )
    elif not junit.exists():
        failure = f"ended with exit code {code} and wrote no junit.xml; see {options.name}.log"
    elif code == 0 and not any_was_run(junit):
        failure = "every test was skipped: nothing was tested"
    if failure:
        print(f"{options.name}: {failure}", flush=True)
        add_failure(junit, options.name, failure, seconds)
    found = TIMED_OUT if not in_time else code if code > 0 else int(bool(code or failure))
    end = {"exit_code": found, "seconds": round(seconds, 3)}
    (options.out / f"{options.name}.json").write_text(json.dumps(end))
    return found


def run(command: list[str], log: Path, seconds: float) -> tuple[int, bool]:
    """Run a command, output to stdout and the log; return its exit code and whether it kept the limit."""
    in_time = True
    # A command inherits an ignored signal, as a script's background has it: nothing would interrupt it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with (
        log.open("wb") as kept,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
        ) as process,
    ):

        def end() -> None:
            nonlocal in_time
            in_time = False
            _signal(process, signal.SIGINT)
            try:
                process.wait(GRACE_S)
            except subprocess.TimeoutExpired:
                _signal(process, signal.SIGKILL)

        timer = threading.Timer(seconds, end)
        timer.start()
        while process.stdout and (data := process.stdout.read1(65536)):  # type: ignore[attr-defined]
            kept.write(data)
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        code = process.wait()
        timer.cancel()
        # What the tests started and left behind would keep the container busy.
        _signal(process, signal.SIGKILL)
    return code, in_time


def any_was_run(junit: Path) -> bool:
    """Return whether a case of a JUnit file was run, whatever came of it."""
    cases = ET.parse(junit).getroot().iter("testcase")  # noqa: S314 - pytest's
    return any(case.find("skipped") is None for case in cases)


def add_failure(junit: Path, name: str, message: str, seconds: float) -> None:
    """Add a failed case to a JUnit file, making the file where there is none."""
    suites = ET.parse(junit).getroot() if junit.exists() else ET.Element("testsuites")  # noqa: S314 - pytest's
    suite = suites if suites.tag == "testsuite" else suites.find("testsuite")
    if suite is None:
        suite = ET.SubElement(suites, "testsuite", name=name)
    case = ET.SubElement(suite, "testcase", classname=name, name="time limit", time=f"{seconds:.3f}")
    if "no end" not in message:
        case.set("name", "run")
    ET.SubElement(case, "failure", message=message)
    for count in ("tests", "failures"):
        suite.set(count, str(int(suite.get(count, "0")) + 1))
    ET.ElementTree(suites).write(junit, encoding="unicode", xml_declaration=True)


def _signal(process: "subprocess.Popen[bytes]", which: signal.Signals) -> None:
    """Send a signal to a command and all that it started."""
    try:
        os.killpg(process.pid, which)
    except ProcessLookupError:
        return


if __name__ == "__main__":
    sys.exit(main())
