"""OpenAPI document: requests from the routes, answers, errors, examples and security from here.

It is written at the first request for it, so that a start does not pay for it.
"""

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from rag import responses as shapes
from rag.lean import import_models
from rag.limits import OPEN

DESCRIPTION: Final = """\
Embeddings, documents, search and grounded answers. `/v1` is OpenAI's API. Unknown fields are refused.
Every error is `{"error": {"message", "type", "param", "code"}}`, every answer echoes `X-Request-ID`."""

ANSWERS: Final[dict[tuple[str, str], dict[int, type[BaseModel] | str]]] = {
    ("/", "get"): {200: "text/html"},
    ("/health", "get"): {200: shapes.Health},
    ("/ready", "get"): {200: shapes.Ready, 503: shapes.NotReady},
    ("/metrics", "get"): {200: "text/plain"},
    ("/v1/models", "get"): {200: shapes.ModelList},
    ("/v1/models/{model}", "get"): {200: shapes.ModelCard},
    ("/v1/embeddings", "post"): {200: shapes.EmbeddingList},
    ("/documents", "post"): {201: shapes.StoredDocuments},
    ("/documents/{document_id}", "delete"): {204: ""},
    ("/search", "post"): {200: shapes.SearchResults},
    ("/query", "post"): {200: shapes.Answer},
}
"""Successful answers of each operation: a shape, a media type, or nothing."""

ERRORS: Final = {
    400: "The request says something that cannot be done; `param` names the field.",
    401: "The key is missing or wrong.",
    404: "No document or model of that name.",
    408: "The body did not arrive in time.",
    409: "The index is full.",
    413: "The body is too large.",
    429: "Every slot is taken, or the upstream limits the rate: ask again after Retry-After.",
    500: "The service failed; the log has the cause.",
    502: "The upstream failed.",
    503: "Not ready, stopping, or no upstream is configured.",
    504: "The upstream did not answer in time.",
}
EVERYWHERE: Final = (401, 408, 413, 429, 500, 503)
EMBEDS: Final = (*EVERYWHERE, 400, 502, 504)
REFUSALS: Final = {
    "/v1/models": EVERYWHERE,
    "/v1/models/{model}": (*EVERYWHERE, 404),
    "/v1/embeddings": (*EMBEDS, 404),
    "/documents": (*EMBEDS, 409),
    "/documents/{document_id}": (*EVERYWHERE, 404),
    "/search": EMBEDS,
    "/query": EMBEDS,
}
"""Errors of each path; the open paths have none."""
REF: Final = "#/components/schemas/{model}"


def document(app: FastAPI, *, needs_key: bool) -> dict[str, Any]:
    """Return the OpenAPI document of the application."""
    import_models()
    content = get_openapi(
        title=app.title, version=app.version, description=DESCRIPTION, routes=app.router.routes
    )
    models = {one for answers in ANSWERS.values() for one in answers.values() if isinstance(one, type)}
    wanted = [(model, "serialization") for model in sorted(models | {shapes.ErrorEnvelope}, key=_name)]
    _, definitions = models_json_schema(wanted, ref_template=REF)  # type: ignore[arg-type]
    components = content.setdefault("components", {})
    components["schemas"] = {
        name: schema
        for name, schema in components.get("schemas", {}).items()
        if name not in ("HTTPValidationError", "ValidationError")
    } | definitions["$defs"]
    components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    content["security"] = [{"key": []}] if needs_key else [{}, {"key": []}]
    for (path, method), answers in ANSWERS.items():
        _describe(path, content["paths"][path][method], answers)
    return content


def _describe(path: str, operation: dict[str, Any], answers: dict[int, type[BaseModel] | str]) -> None:
    operation["responses"] = {str(status): _answer(shape) for status, shape in answers.items()}
    if path == "/query":
        events = {"schema": {"type": "string"}, "example": 'data: {"type": "text", "text": "Once."}\n\n'}
        operation["responses"]["200"]["content"]["text/event-stream"] = events
    if path == "/v1/embeddings":
        header = {"description": "number of inputs that were cut", "schema": {"type": "integer"}}
        operation["responses"]["200"]["headers"] = {"X-Truncated": header}
    if path in OPEN:
        operation["security"] = []
        return
    for status in sorted(REFUSALS[path]):
        error = {"description": ERRORS[status], "content": _content(shapes.ErrorEnvelope)}
        operation["responses"][str(status)] = error
    if "requestBody" in operation:
        operation["requestBody"]["content"]["application/json"]["example"] = shapes.EXAMPLES[path]


def _answer(shape: type[BaseModel] | str) -> dict[str, Any]:
    if isinstance(shape, type):
        return {"description": (shape.__doc__ or "").strip(), "content": _content(shape)}
    content = {"content": {shape: {"schema": {"type": "string"}}}} if shape else {}
    return {"description": "Done." if not shape else "The text.", **content}


def _content(shape: type[BaseModel]) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": REF.format(model=_name(shape))}}}


def _name(shape: type[BaseModel]) -> str:
    return shape.__name__
