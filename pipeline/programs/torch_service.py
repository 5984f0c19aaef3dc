"""The service as most people write it first: sentence-transformers behind FastAPI.

What `compare --torch` starts in the naive image. MODEL names the model, READY the path that answers
200 once it is loaded.
"""

import os

from fastapi import FastAPI
from pydantic import BaseModel
from sentence_transformers import SentenceTransformer

app = FastAPI()
model = SentenceTransformer(os.environ["MODEL"])


class Question(BaseModel):
    """The body of a request for embeddings."""

    input: str | list[str]


@app.get(os.environ["READY"])  # type: ignore[untyped-decorator]
def ready() -> dict[str, str]:
    """Answer once the model is loaded: importing this module loads it."""
    return {"status": "ready"}


@app.post("/v1/embeddings")  # type: ignore[untyped-decorator]
def embeddings(question: Question) -> dict[str, object]:
    """Return one embedding per text."""
    texts = [question.input] if isinstance(question.input, str) else question.input
    rows = model.encode(texts, normalize_embeddings=True).tolist()
    return {"data": [{"index": index, "embedding": row} for index, row in enumerate(rows)]}
