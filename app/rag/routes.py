"""Routes: /health, /ready, /metrics and OpenAI's /v1, nothing but HTTP."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import JSONResponse, Response

from rag.errors import InputError
from rag.metrics import CONTENT_TYPE
from rag.schemas import EmbeddingsRequest
from rag.service import Service
from rag.vectors import Vector, as_base64, shortened

router = APIRouter()


async def given_service(request: Request) -> Service:
    """Hand the routes the service that the application holds."""
    service: Service = request.app.state.service
    return service


Given = Annotated[Service, Depends(given_service)]


@router.get("/health")
async def health() -> dict[str, str]:
    """Say that the process lives; nothing else is checked."""
    return {"status": "ok"}


@router.get("/ready")
async def ready(service: Given) -> JSONResponse:
    """Say whether requests can be served: 503 until the warm-up is done."""
    if not service.ready:
        return JSONResponse({"status": service.state}, status_code=503, headers={"retry-after": "1"})
    embedder = service.embedder
    return JSONResponse({"status": "ready", "model": embedder.name, "device": embedder.device})


@router.get("/metrics")
async def metrics(service: Given) -> Response:
    """Show counters and durations to Prometheus."""
    return Response(service.metrics.text(), headers={"content-type": CONTENT_TYPE})


@router.get("/v1/models")
async def models(service: Given) -> dict[str, Any]:
    """List the one model that embeds."""
    card = {"id": service.embedder.name, "object": "model", "created": 0, "owned_by": service.embedder.device}
    return {"object": "list", "data": [card]}


@router.post("/v1/embeddings")
async def embeddings(asked: EmbeddingsRequest, service: Given) -> JSONResponse:
    """Embed texts or token ids, answering as OpenAI does.

    The one model answers whatever name is asked for, so that a client configured for another server
    works unchanged; the answer says which model it was.
    """
    name = service.embedder.name
    made = await service.embed(asked.input)
    rows = [_shaped(row, asked) for row in made.vectors]
    return JSONResponse(
        {
            "object": "list",
            "data": [
                {"object": "embedding", "index": place, "embedding": row} for place, row in enumerate(rows)
            ],
            "model": name,
            "usage": {"prompt_tokens": made.tokens, "total_tokens": made.tokens},
        }
    )


def _shaped(row: Vector, asked: EmbeddingsRequest) -> str | list[float]:
    size = asked.dimensions or len(row)
    if size > len(row):
        raise InputError(f"found {size}, expected at most {len(row)}.", param="dimensions")
    row = shortened(row, size)
    return as_base64(row) if asked.encoding_format == "base64" else row.tolist()
