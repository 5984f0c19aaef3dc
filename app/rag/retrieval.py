"""Routes of retrieval: documents in, passages and answers out."""

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response, StreamingResponse

from rag.errors import ServiceError, UnknownNameError, envelope
from rag.index import Hit
from rag.routes import Given
from rag.schemas import DocumentsRequest, QueryRequest, SearchRequest
from rag.service import Found

router = APIRouter()


@router.post("/documents", status_code=201)
async def add_documents(asked: DocumentsRequest, service: Given) -> dict[str, Any]:
    """Store documents; an id that exists is replaced."""
    stored = await service.store(asked.documents)
    documents = [
        {"id": one.document_id, "passages": one.passages, "truncated": one.truncated} for one in stored
    ]
    return {"documents": documents}


@router.delete("/documents/{document_id}", status_code=204)
async def remove_document(document_id: str, service: Given) -> Response:
    """Forget a document."""
    if not await service.index.remove(document_id):
        raise UnknownNameError("no document of that id.", param="document_id")
    return Response(status_code=204)


@router.post("/search")
async def search(asked: SearchRequest, service: Given) -> dict[str, Any]:
    """Find the passages nearest to a query, best first."""
    found = await service.search(asked.query, asked.top_k, asked.min_score)
    return {"results": _sources(found.hits), "truncated": found.truncated}


@router.post("/query")
async def query(asked: QueryRequest, service: Given) -> Response:
    """Answer a question from the stored passages, whole or as server-sent events."""
    found = await service.search(asked.question, asked.top_k)
    pieces = service.answer(asked.question, found.hits, asked.max_tokens)
    # The first piece decides the status: after it, an error can only break off the stream.
    first = await anext(pieces, "")
    if asked.stream:
        return StreamingResponse(_events(found, first, pieces), media_type="text/event-stream")
    answer = first + "".join([piece async for piece in pieces])
    return JSONResponse({"answer": answer, "sources": _sources(found.hits), "truncated": found.truncated})


async def _events(found: Found, first: str, pieces: AsyncIterator[str]) -> AsyncIterator[str]:
    yield _event({"type": "sources", "sources": _sources(found.hits), "truncated": found.truncated})
    yield _event({"type": "text", "text": first})
    try:
        async for piece in pieces:
            yield _event({"type": "text", "text": piece})
    except ServiceError as error:
        yield error_event(error)
        return
    yield _event({"type": "done"})


def error_event(error: ServiceError) -> str:
    """Return the event that ends a streamed answer which fails."""
    return _event({"type": "error", **envelope(error)})


def _event(content: dict[str, Any]) -> str:
    return f"data: {json.dumps(content)}\n\n"


def _sources(hits: Sequence[Hit]) -> list[dict[str, Any]]:
    return [
        {
            "document_id": hit.passage.document_id,
            "position": hit.passage.position,
            "text": hit.passage.text,
            "metadata": hit.passage.metadata,
            "score": hit.score,
        }
        for hit in hits
    ]
