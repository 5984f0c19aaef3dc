"""Embeddings held against those that the model's own framework made."""

import json
import math
from http import HTTPStatus
from typing import Any, Final

from service_check.asking import Client

MIN_COSINE: Final = 0.99
"""Least cosine to the fp32 reference; the bound of the export's own gate."""
NORM_WITHIN: Final = 1e-3
"""Largest distance of an embedding's norm from 1; float16 rows are within 5e-4."""
PATH: Final = "/v1/embeddings"


def difference(client: Client, items: list[dict[str, Any]]) -> str:
    """Return what is wrong with the embeddings of these texts; "" for nothing.

    Args:
        client: of the service.
        items: `{"text": str, "embedding": list of floats}` each; the answer must have as many floats,
            norm 1 within NORM_WITHIN and cosine >= MIN_COSINE.

    """
    body = {"input": [item["text"] for item in items], "model": model(client)}
    status, answer = client.ask(PATH, body)
    if status != HTTPStatus.OK:
        return f"POST {PATH} answered {status}, 200 expected: {answer[:300].decode(errors='replace')}"
    rows = [row["embedding"] for row in json.loads(answer)["data"]]
    if len(rows) != len(items):
        return f"{len(rows)} embeddings for {len(items)} texts"
    return "; ".join(filter(None, (_differs(item, row) for item, row in zip(items, rows, strict=True))))


def model(client: Client) -> str:
    """Return the name of the first model that the service lists, or a name for those that list none."""
    status, body = client.ask("/v1/models")
    return str(json.loads(body)["data"][0]["id"]) if status == HTTPStatus.OK else "any"


def _differs(item: dict[str, Any], row: list[float]) -> str:
    expected = item["embedding"]
    if len(row) != len(expected):
        return f"{len(row)} floats, {len(expected)} expected"
    text = repr(item["text"][:40])
    norm = math.sqrt(sum(value * value for value in row))
    if abs(norm - 1) > NORM_WITHIN:
        return f"norm {norm:.4f} for {text}, 1 expected"
    cosine = sum(a * b for a, b in zip(row, expected, strict=True)) / norm
    return "" if cosine >= MIN_COSINE else f"cosine {cosine:.4f} for {text}, {MIN_COSINE} expected"
