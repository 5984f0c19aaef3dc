"""Routes: /health, /ready, /metrics and OpenAI's /v1, nothing but HTTP."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import JSONResponse, Response

from rag.errors import InputError
from rag.metrics import CONTENT_TYPE
from rag.page import page
from rag.schemas import EmbeddingsRequest
from rag.service import Service
from rag.vectors import Vector, as_base64, shortened

router = APIRouter()


async def given_service(request: Request) -> Service:
    """Hand the routes the service that the application holds."""
    service: Service = request.app.state.service
    return service


Given = Annotated[Service, Depends(given_service)]


@router.head("/health", include_in_schema=False)
@router.get("/health")
async def health() -> dict[str, str]:
    """Say that the process lives; nothing else is checked."""
    return {"status": "ok"}


@router.head("/ready", include_in_schema=False)
@router.get("/ready")
async def ready(service: Given) -> JSONResponse:
    """Say whether requests can be served: 503 until the warm-up is done."""
    if not service.ready:
        return JSONResponse({"status": service.state}, status_code=503, headers={"retry-after": "1"})
    embedder = service.embedder
    return JSONResponse({"status": "ready", "model": embedder.name, "device": embedder.device})


@router.head("/metrics", include_in_schema=False)
@router.get("/metrics")
async def metrics(service: Given) -> Response:
    """Show counters and durations to Prometheus."""
    return Response(service.metrics.text(), headers={"content-type": CONTENT_TYPE})


@router.head("/", include_in_schema=False)
@router.get("/")
async def start_page() -> Response:
    """Serve a page on which a person asks a question and reads passages and answer."""
    return page()


@router.get("/v1/models")
async def models(service: Given) -> dict[str, Any]:
    """List the model that embeds, and the further names that it is answered under."""
    names = dict.fromkeys((service.embedder.name, *service.settings.aliases))
    return {"object": "list", "data": [_card(name, service) for name in names]}


@router.get("/v1/models/{model:path}")
async def model(model: str, service: Given) -> dict[str, Any]:
    """Describe one model by its name."""
    service.require_model(model)
    return _card(model, service)


@router.post("/v1/embeddings")
async def embeddings(asked: EmbeddingsRequest, service: Given) -> JSONResponse:
    """Embed texts or token ids, answering as OpenAI does.

    `truncated` has the places of the inputs that are longer than the model reads; the header
    `X-Truncated` has their number. Both are absent where every input was read whole.
    """
    service.require_model(asked.model)
    embedded = await service.embed(asked.input, truncate=asked.truncate)
    rows = [_shaped(row, asked) for row in embedded.vectors]
    content: dict[str, Any] = {
        "object": "list",
        "data": [{"object": "embedding", "index": place, "embedding": row} for place, row in enumerate(rows)],
        "model": service.embedder.name,
        "usage": {"prompt_tokens": embedded.tokens, "total_tokens": embedded.tokens},
    }
    if not embedded.truncated:
        return JSONResponse(content)
    content["truncated"] = embedded.truncated
    return JSONResponse(content, headers={"x-truncated": str(len(embedded.truncated))})


def _card(name: str, service: Service) -> dict[str, Any]:
    served = service.embedder
    return {
        "id": name,
        "object": "model",
        "created": 0,
        "owned_by": served.device,
        "root": served.name,
        "vocabulary": service.settings.vocabulary,
    }


def _shaped(row: Vector, asked: EmbeddingsRequest) -> str | list[float]:
    size = asked.dimensions or len(row)
    if size > len(row):
        raise InputError(f"found {size}, expected at most {len(row)}.", param="dimensions")
    row = shortened(row, size)
    return as_base64(row) if asked.encoding_format == "base64" else row.tolist()
