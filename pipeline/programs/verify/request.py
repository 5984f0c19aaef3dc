"""Ask the confined service what `[tool.wheelhouse.probe]` declares: its first request, without network."""

import json
import urllib.error
import urllib.request
from typing import Any, Final

from verify.verdict import Verdict

NAME: Final = "answers its probe without network"
SHOWN: Final = 300
"""Characters of an answer that a verdict shows."""


def probe_verdict(port: int | None, probe: dict[str, Any], written: str = "") -> Verdict:
    """Return the verdict about the declared request.

    Args:
        port: of the service.
        probe: fields of ProbeConfig; {} where none is declared.
        written: what the service wrote so far, shown where it fails.

    """
    expected = f"status {probe.get('status', 200)}" + (
        f" and {probe['contains']!r}" if probe.get("contains") else ""
    )
    if not probe or port is None:
        reason = "no [tool.wheelhouse.probe]" if not probe else "the service has no port"
        return Verdict(name=NAME, status="skipped", reason=reason, expected=expected)
    status, answer = _answer(f"http://127.0.0.1:{port}{probe['path']}", probe)
    found = f"status {status}: {' '.join(answer.split())[:SHOWN]}"
    if status == probe["status"] and probe["contains"] in answer:
        return Verdict(name=NAME, status="passed", found=f"status {status}", expected=expected)
    last = " / ".join(written.splitlines()[-4:])
    return Verdict(
        name=NAME,
        status="failed",
        found=f"{found}; it wrote: {last}" if last else found,
        expected=expected,
        do="Bake what it fetches or writes: models by [tool.wheelhouse.models], other data by packages; "
        "write below /tmp or to `writable` only.",
    )


def _answer(url: str, probe: dict[str, Any]) -> tuple[int, str]:
    """Return status and text of the answer; 0 and the reason where none came."""
    body = probe["body"]
    structured = body is not None and not isinstance(body, str)
    text = json.dumps(body) if structured else body
    headers = ({"Content-Type": "application/json"} if structured else {}) | probe["headers"]
    data = None if text is None else str(text).encode()
    method = probe["method"] or ("GET" if data is None else "POST")
    request = urllib.request.Request(url, data=data, headers=headers, method=method)  # noqa: S310 - loopback
    try:
        with urllib.request.urlopen(request, timeout=probe["timeout"]) as reply:  # noqa: S310 - see above
            return int(reply.status), reply.read().decode(errors="replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")
    except OSError as error:
        return 0, f"no answer: {error}"
