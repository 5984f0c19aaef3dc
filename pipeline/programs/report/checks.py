"""Read what the steps left behind as one list of checks."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree as ET

PASSED, FAILED, SKIPPED, UNSCANNED = "passed", "failed", "skipped", "unscanned"
JUNIT: Final = {"gpu": "gpu.xml", "http": "http.xml", "tests": "junit.xml"}
"""Where each run of the test step lists its cases."""
ERROR: Final = "error.log"
"""What a step that could not be carried out leaves, instead of its results."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at."""

    variant: str
    step: str
    """Function of the command line: build, test, verify, layers, scan, compare."""
    name: str
    status: str
    seconds: float | None = None
    message: str = ""
    """What was found and expected of a failed one, why of a skipped one."""
    file: str = ""
    """Where more is told, relative to the report; "" for nowhere."""


def checks_of(folder: Path, step: dict[str, Any]) -> list[Check]:
    """Return the checks of one step; a step whose results cannot be read has failed.

    Args:
        folder: of the report's inputs, with a folder per variant and step.
        step: its variant, name, error and skipped.

    """
    variant, name = step["variant"], step["name"]
    place = f"{variant}/{name}"
    if step["skipped"]:
        return [Check(variant=variant, step=name, name=name, status=SKIPPED, message=step["skipped"])]
    if step["error"]:
        file = f"{place}/{ERROR}"
        return [Check(variant=variant, step=name, name=name, status=FAILED, message=step["error"], file=file)]
    try:
        return [Check(variant=variant, step=name, **found) for found in READERS[name](folder / place, place)]
    except (OSError, ValueError, KeyError, TypeError, ET.ParseError) as error:
        message = f"the results cannot be read: {type(error).__name__}: {error}"
        return [Check(variant=variant, step=name, name=name, status=FAILED, message=message)]


def _done(_: Path, place: str) -> Iterator[dict[str, Any]]:
    yield {"name": place.rpartition("/")[2], "status": PASSED}


def _test(folder: Path, place: str) -> Iterator[dict[str, Any]]:
    """Yield the cases of every run; a run that failed without a failed case is one itself."""
    for run in _json(folder / "outcome.json")["runs"]:
        log = f"{place}/{run['name']}.log"
        if run.get("skipped"):
            yield {"name": run["name"], "status": SKIPPED, "message": run["skipped"], "file": log}
            continue
        junit = folder / JUNIT[run["name"]]
        cases = list(_cases(junit, log)) if junit.exists() else []
        yield from cases
        if run["exit_code"] and not any(case["status"] == FAILED for case in cases):
            message = f"exit code {run['exit_code']}: {_last_line(folder / log.rpartition('/')[2])}"
            yield {"name": run["name"], "status": FAILED, "message": message, "file": log}
        elif not any(case["status"] in {PASSED, FAILED} for case in cases):
            message = f"no case was run: all {len(cases)} were skipped" if cases else "no case was run"
            yield {"name": run["name"], "status": FAILED, "message": message, "file": log}


def _cases(junit: Path, log: str) -> Iterator[dict[str, Any]]:
    for case in ET.parse(junit).iter("testcase"):  # noqa: S314 - written by our own container
        name = "::".join(filter(None, (case.get("classname", ""), case.get("name", ""))))
        wrong = [one for one in case if one.tag in {"failure", "error"}]
        skipped = case.find("skipped")
        status = FAILED if wrong else SKIPPED if skipped is not None else PASSED
        said = wrong[0] if wrong else skipped
        message = "" if said is None else (said.get("message") or said.text or "").strip()
        yield {
            "name": name,
            "status": status,
            "seconds": float(case.get("time") or 0),
            "message": message,
            "file": log,
        }


def _verify(folder: Path, place: str) -> Iterator[dict[str, Any]]:
    for one in _json(folder / "verify.json")["checks"]:
        message = one["reason"] or one["found"]
        if one["status"] == FAILED:
            message = f"{one['found']}; expected {one['expected']}. {one['do']}"
        file = f"{place}/verify.txt"
        yield {"name": one["name"], "status": one["status"], "message": message, "file": file}


def _scan(folder: Path, place: str) -> Iterator[dict[str, Any]]:
    """Yield one check per part of the image, and one per reason of the gate."""
    found = _json(folder / "findings.json")
    file = f"{place}/table.txt"
    for part in found["coverage"]:
        scanned = part["status"] == "scanned"
        by = ", ".join(f"{one['judged']} by {one['name']}" for one in part.get("sources", ()))
        count = f"{part['scanned']} of {part['expected']} packages judged: {by}"
        count = count if scanned else f"{part['status']}: {part['reason']}"
        status = PASSED if scanned else UNSCANNED if part["status"] == UNSCANNED else FAILED
        yield {"name": f"scan of {part['part']}", "status": status, "message": count, "file": file}
    for line in found["failures"]:
        yield {"name": "gate", "status": FAILED, "message": line, "file": file}
    if not found["failures"]:
        message = f"{len(found['findings'])} findings, {len(found['ignored'])} ignored"
        if found["verdict"] == UNSCANNED:
            message = f"{UNSCANNED}, as the configuration allows; {message}"
        status = PASSED if found["verdict"] == PASSED else UNSCANNED
        yield {"name": "gate", "status": status, "message": message, "file": file}


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
    return lines[-1] if lines else "it wrote nothing"


def _json(path: Path) -> Any:
    return json.loads(path.read_text())


READERS: Final[dict[str, Callable[[Path, str], Iterator[dict[str, Any]]]]] = {
    "build": _done,
    "test": _test,
    "verify": _verify,
    "layers": _done,
    "scan": _scan,
    "compare": _done,
}
