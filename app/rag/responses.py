"""Responses: the shape of every answer, for /openapi.json and the tests; imported only there."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from rag.index import Scalar


class _Response(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class ErrorDetail(_Response):
    """What is wrong, in the fields of OpenAI's API."""

    message: str
    type: str
    param: str | None
    code: str


class ErrorEnvelope(_Response):
    """Every error of every path."""

    error: ErrorDetail


class Health(_Response):
    """The process lives."""

    status: Literal["ok"]


class Ready(_Response):
    """Requests can be served."""

    status: Literal["ready"]
    model: str
    device: str


class NotReady(_Response):
    """What the service waits for."""

    status: str


class ModelCard(_Response):
    """One model name that is answered."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    root: Annotated[str, Field(description="the model that answers under this name")]
    vocabulary: Annotated[str, Field(description="what token ids in `input` mean; `none`: they are refused")]


class ModelList(_Response):
    """All model names that are answered."""

    object: Literal["list"]
    data: list[ModelCard]


class Embedding(_Response):
    """One vector of L2 norm 1."""

    object: Literal["embedding"]
    index: int
    embedding: Annotated[list[float] | str, Field(description="numbers, or little-endian float32 in base64")]


class Usage(_Response):
    """Tokens that were read."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingList(_Response):
    """One vector per input, in order."""

    object: Literal["list"]
    data: list[Embedding]
    model: Annotated[str, Field(description="the model that answered")]
    usage: Usage
    truncated: Annotated[
        list[int] | None,
        Field(description="places of inputs longer than the model reads; absent where there are none"),
    ] = None


class StoredDocument(_Response):
    """One document that was stored."""

    id: str
    passages: int
    truncated: Annotated[int, Field(description="passages longer than the model reads")]


class StoredDocuments(_Response):
    """All documents that were stored."""

    documents: list[StoredDocument]


class Source(_Response):
    """One passage that was found."""

    document_id: str
    position: Annotated[int, Field(description="place in the document, from 0")]
    text: str
    metadata: dict[str, Scalar]
    score: Annotated[float, Field(description="cosine with the query, -1 to 1")]


class SearchResults(_Response):
    """Passages nearest to the query, best first."""

    results: list[Source]
    truncated: Annotated[bool, Field(description="whether the query is longer than the model reads")]


class Answer(_Response):
    """Answer and the passages that it is written from."""

    answer: str
    sources: list[Source]
    truncated: Annotated[bool, Field(description="whether the question is longer than the model reads")]


EXAMPLES: dict[str, dict[str, Any]] = {
    "/v1/embeddings": {"input": ["red", "blue"], "encoding_format": "float", "dimensions": 128},
    "/documents": {"documents": [{"id": "a", "text": "Wheels are built once.", "metadata": {"page": 1}}]},
    "/search": {"query": "when are wheels built?", "top_k": 3, "min_score": 0.2},
    "/query": {"question": "When are wheels built?", "top_k": 3, "stream": False},
}
"""Request bodies that work as they are."""
