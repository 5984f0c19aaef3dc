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

router = APIRouter()


@router.post("/documents", status_code=201)
async def add_documents(asked: DocumentsRequest, service: Given) -> dict[str, Any]:
    """Store documents; an id that exists is replaced."""
    stored = await service.store(asked.documents)
    return {"documents": [{"id": name, "passages": count} for name, count in stored.items()]}


@router.delete("/documents/{document_id}", status_code=204)
async def remove_document(document_id: str, service: Given) -> Response:
    """Forget a document."""
    if not await service.index.remove(document_id):
        raise UnknownNameError("no document of that id.", param="document_id")
    return Response(status_code=204)


@router.post("/search")
async def search(asked: SearchRequest, service: Given) -> dict[str, Any]:
    """Find the passages nearest to a query, best first."""
    return {"results": _sources(await service.search(asked.query, asked.top_k, asked.min_score))}


@router.post("/query")
async def query(asked: QueryRequest, service: Given) -> Response:
    """Answer a question from the stored passages, whole or as server-sent events."""
    hits = await service.search(asked.question, asked.top_k)
    pieces = service.answer(asked.question, hits, asked.max_tokens)
    # The first piece decides the status: after it, an error can only break off the stream.
    first = await anext(pieces, "")
    if asked.stream:
        return StreamingResponse(_events(hits, first, pieces), media_type="text/event-stream")
    answer = first + "".join([piece async for piece in pieces])
    return JSONResponse({"answer": answer, "sources": _sources(hits)})


async def _events(hits: Sequence[Hit], first: str, pieces: AsyncIterator[str]) -> AsyncIterator[str]:
    yield _event({"type": "sources", "sources": _sources(hits)})
    yield _event({"type": "text", "text": first})
    try:
        async for piece in pieces:
            yield _event({"type": "text", "text": piece})
    except ServiceError as error:
        yield _event({"type": "error", **envelope(error)})
        return
    yield _event({"type": "done"})


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
