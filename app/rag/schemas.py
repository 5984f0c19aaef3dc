"""Schemas: what callers may send; each field checked where it enters."""

import math
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from rag.index import Scalar

INPUT_SHAPES = "expected a string, a list of strings, a list of token ids, or a list of lists of token ids"


def _well_formed(text: str) -> str:
    # A lone surrogate is legal JSON, but no text: the tokenizer cannot encode it.
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("found a lone surrogate, expected well-formed Unicode") from None
    return text


def _said(text: str) -> str:
    if not text.strip():
        raise ValueError("found no text, expected at least one character that is not white space")
    return text


Text = Annotated[str, AfterValidator(_well_formed)]
Said = Annotated[Text, AfterValidator(_said)]
Name = Annotated[Text, Field(min_length=1, max_length=200)]


def _scalar(value: Scalar) -> Scalar:
    if isinstance(value, str):
        return _well_formed(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("found NaN or infinity, expected a finite number")
    return value


Metadata = dict[Name, Annotated[Scalar, AfterValidator(_scalar)]]


def _is_ids(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(type(item) is int for item in value)


def _inputs(value: Any) -> list[str | list[int]]:
    items = [value] if isinstance(value, str) or _is_ids(value) else value
    if not isinstance(items, list) or not items:
        raise ValueError(INPUT_SHAPES)
    if not all(isinstance(item, str) for item in items) and not all(map(_is_ids, items)):
        raise ValueError(INPUT_SHAPES)
    return [_well_formed(item) if isinstance(item, str) else item for item in items]


class _Request(BaseModel):
    # A misspelt field must not pass for its default: OpenAI's API refuses unknown fields, too.
    model_config = ConfigDict(extra="forbid", frozen=True)


class EmbeddingsRequest(_Request):
    """Texts or token ids to embed, as OpenAI's API takes them."""

    input: Annotated[
        list[Any],
        BeforeValidator(_inputs),
        WithJsonSchema(
            {
                "anyOf": [
                    {"type": "string"},
                    {"type": "array", "items": {"type": "string"}},
                    {"type": "array", "items": {"type": "integer"}},
                    {"type": "array", "items": {"type": "array", "items": {"type": "integer"}}},
                ]
            }
        ),
    ]
    model: Name | None = None
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: Annotated[int, Field(ge=1, le=100_000)] | None = None
    user: Text | None = None
    """Accepted because OpenAI's clients send it; not used, not logged."""
    truncate: bool | None = None
    """Cut inputs that are longer than the model reads (true) or refuse them (false); none: TRUNCATE."""


class Document(_Request):
    """One text to store."""

    text: Said
    id: Name | None = None
    metadata: Annotated[Metadata, Field(max_length=64)] = {}


class DocumentsRequest(_Request):
    """Texts to store; an id that exists is replaced."""

    documents: Annotated[list[Document], Field(min_length=1, max_length=256)]


class SearchRequest(_Request):
    """Query whose nearest passages are wanted."""

    query: Said
    top_k: Annotated[int, Field(ge=1, le=100)] = 5
    min_score: Annotated[float, Field(ge=-1, le=1, allow_inf_nan=False)] = -1.0


class QueryRequest(_Request):
    """Question to answer from the stored passages."""

    question: Said
    top_k: Annotated[int, Field(ge=1, le=20)] = 4
    max_tokens: Annotated[int, Field(ge=1, le=16_384)] = 512
    stream: bool = False
