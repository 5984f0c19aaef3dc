"""Answers: what an upstream sent, in our words; what is wrong with it never reaches our callers."""

from __future__ import annotations

import json
import math
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # imported at run time only where an upstream is configured: 25 ms of the start
    import httpx2 as httpx

from rag.errors import UpstreamBusyError, UpstreamError
from rag.vectors import Embeddings, Vector, normalised


def check_status(response: httpx.Response) -> None:
    """Pass what succeeded.

    Raises:
        UpstreamError: any other status; UpstreamBusyError for 429, with the seconds to wait.

    """
    if response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
        wait = response.headers.get("retry-after", "")
        # Only a plain, sane number of seconds is passed on.
        seconds = min(int(wait), 3600) if wait.isascii() and wait.isdigit() and len(wait) < 6 else 1  # noqa: PLR2004
        raise UpstreamBusyError("the upstream limits the rate. Retry later.", retry_after_s=seconds)
    if not response.is_success:
        raise UpstreamError(f"the upstream answered {response.status_code}.")


def embeddings(body: bytes, wanted: int) -> Embeddings:
    """Read n rows of L2 norm 1, in the order of the inputs.

    Raises:
        UpstreamError: another shape, another number of rows, or rows of different lengths.

    """
    content = _object(body)
    try:
        rows = sorted(content["data"], key=lambda row: row["index"])
        vectors = [_vector(row["embedding"]) for row in rows]
        tokens = int(content.get("usage", {}).get("prompt_tokens", 0))
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise UpstreamError("the upstream's embeddings have an unknown shape.") from exc
    if len(vectors) != wanted or len({len(vector) for vector in vectors}) != 1:
        raise UpstreamError(f"the upstream sent {len(vectors)} embeddings for {wanted} inputs.")
    return Embeddings(vectors, tokens)


def piece(data: str) -> str:
    """Read the text that one event of a streamed answer brings; "" for none.

    Raises:
        UpstreamError: another shape, or the upstream breaks off.

    """
    chunk = _object(data.encode())
    if "error" in chunk:
        raise UpstreamError("the upstream broke off the answer.")
    try:
        choices = chunk.get("choices") or [{}]
        return str(choices[0].get("delta", {}).get("content") or "")
    except (KeyError, TypeError, AttributeError) as exc:
        raise UpstreamError("the upstream's answer has an unknown shape.") from exc


def _object(body: bytes) -> dict[str, Any]:
    try:
        content = json.loads(body)
    except ValueError as exc:
        raise UpstreamError("the upstream did not answer with JSON.") from exc
    if not isinstance(content, dict):
        raise UpstreamError("the upstream did not answer with an object.")
    return content


def _vector(numbers: Any) -> Vector:
    row = normalised(numbers)
    if not row or not all(map(math.isfinite, row)):
        raise ValueError("not a vector")
    return row
