"""Speak to a started service over HTTP and write what was found as JUnit.

    http_check.py --base http://app:8000 --health /health --ready /ready --out FILE [--reference FILE]

Every check runs, whatever the others found; exit status 1 when one failed. With --reference the
service must answer POST /v1/embeddings in the OpenAI shape: as many floats as the reference has,
norm 1 within 1e-3, and at cosine >= MIN_COSINE to the reference of each text.
"""

import argparse
import json
import math
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

CLIENT_ERRORS = range(400, 500)
MIN_COSINE = 0.99
"""Least cosine to the fp32 reference. Source: DESIGN §5.4, the same bound as the export's own gate."""
NORM_WITHIN = 1e-3
"""Largest distance of an embedding's norm from 1; float16 rows are within 5e-4."""
READY_WITHIN_S = 60
"""Longest wait for readiness; a warmed CPU service needs about one second."""


def main() -> int:
    """Return 1 when a check failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--base", "--health", "--ready", "--out"):
        parser.add_argument(name, required=True)
    parser.add_argument("--reference", type=Path)
    options = parser.parse_args()
    checks: dict[str, Callable[[], str]] = {
        "ready": lambda: _until_ready(options.base + options.ready),
        "health": lambda: _status(options.base + options.health, 200),
        "unknown path is refused": lambda: _status(options.base + "/no/such/path", 404),
    }
    if options.reference:
        items = json.loads(options.reference.read_text())["items"]
        checks["embeddings equal the reference"] = lambda: _embeddings(options.base, items)
        checks["bad request is refused"] = lambda: _bad_request(options.base)
    suite = ET.Element("testsuite", name="http", tests=str(len(checks)))
    failures = sum(_run(suite, name, check) for name, check in checks.items())
    suite.set("failures", str(failures))
    ET.ElementTree(suite).write(options.out, encoding="unicode", xml_declaration=True)
    return 1 if failures else 0


def _run(suite: ET.Element, name: str, check: Callable[[], str]) -> int:
    started = time.monotonic()
    try:
        failure = check()
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        failure = f"{type(error).__name__}: {error}"
    seconds = time.monotonic() - started
    case = ET.SubElement(suite, "testcase", classname="http", name=name, time=f"{seconds:.3f}")
    if failure:
        ET.SubElement(case, "failure", message=failure)
    print(f"{'failed' if failure else 'passed'}  {seconds:6.3f} s  {name}{': ' * bool(failure)}{failure}")
    return 1 if failure else 0


def _until_ready(url: str) -> str:
    deadline = time.monotonic() + READY_WITHIN_S
    while (failure := _status(url, 200)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return failure


def _status(url: str, expected: int) -> str:
    found, _ = _request(url)
    return "" if found == expected else f"{url} answered {found}, {expected} expected"


def _bad_request(base: str) -> str:
    found, _ = _request(f"{base}/v1/embeddings", {"input": 7, "model": []})
    return "" if found in CLIENT_ERRORS else f"answered {found} to a body that is wrong, 4xx expected"


def _embeddings(base: str, items: list[dict[str, Any]]) -> str:
    texts = [item["text"] for item in items]
    status, body = _request(f"{base}/v1/embeddings", {"input": texts, "model": _model(base)})
    if status != HTTPStatus.OK:
        return f"answered {status}: {body[:300]!r}"
    rows = [row["embedding"] for row in json.loads(body)["data"]]
    if len(rows) != len(items):
        return f"{len(rows)} embeddings for {len(items)} texts"
    return "; ".join(filter(None, (_difference(item, row) for item, row in zip(items, rows, strict=True))))


def _model(base: str) -> str:
    """Return the name of the first model that the service lists, or a name for those that list none."""
    status, body = _request(f"{base}/v1/models")
    return str(json.loads(body)["data"][0]["id"]) if status == HTTPStatus.OK else "any"


def _difference(item: dict[str, Any], row: list[float]) -> str:
    expected = item["embedding"]
    if len(row) != len(expected):
        return f"{len(row)} floats, {len(expected)} expected"
    norm = math.sqrt(sum(value * value for value in row))
    cosine = sum(a * b for a, b in zip(row, expected, strict=True)) / norm
    if abs(norm - 1) > NORM_WITHIN:
        return f"norm {norm:.4f} for {item['text'][:40]!r}, 1 expected"
    return (
        ""
        if cosine >= MIN_COSINE
        else f"cosine {cosine:.4f} for {item['text'][:40]!r}, {MIN_COSINE} expected"
    )


def _request(url: str, body: object = None) -> tuple[int, bytes]:
    """Return status and body; 0 when nothing answers yet."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, data=data, headers=headers)  # noqa: S310 - the pipeline's own URL
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except OSError as error:
        return 0, str(error).encode()


if __name__ == "__main__":
    sys.exit(main())
