"""OpenAPI document: complete, and true of the answers."""

import json
import os
import subprocess
import sys

import httpx2
import pytest
from processes import APP, PATIENCE_S
from rag import responses
from rag.limits import OPEN
from rag.main import create_app
from rag.settings import Settings

PATH = os.pathsep.join([str(APP), *filter(None, [os.environ.get("PYTHONPATH")])])
OPERATIONS = {"get", "post", "delete"}


def document(**settings) -> dict:
    """Return the OpenAPI document."""
    return create_app(Settings(embedder="upstream", **settings)).openapi()


def operations(content: dict):
    """Return each path, method and operation."""
    return [
        (path, method, item[method])
        for path, item in content["paths"].items()
        for method in OPERATIONS & set(item)
    ]


def test_every_operation_has_a_described_answer_with_a_shape():
    """A generated client knows what comes back, from successes and errors."""
    content = document()
    for path, _, operation in operations(content):
        assert "422" not in operation["responses"]
        for status, answer in operation["responses"].items():
            assert answer["description"]
            shapes = [one["schema"] for one in answer.get("content", {}).values()]
            assert shapes or status == "204", path
            assert all(shape for shape in shapes)


def test_the_started_service_writes_the_same_document(process):
    """It puts off the models that write the document until it is asked for."""
    written = httpx2.get(f"{process.url}/openapi.json", timeout=PATIENCE_S).json()

    assert written == json.loads(json.dumps(document()))


def test_the_start_imports_no_models_of_the_document():
    """They are 45 % of the time of all imports."""
    code = (
        "import sys; from rag.lean import skip_models; skip_models(); import rag.server; "
        "from rag.main import create_app; from rag.settings import Settings; "
        "create_app(Settings(embedder='upstream')); from fastapi.openapi import models; "
        "assert 'pydantic' not in str(models.OpenAPI.__mro__)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, env={**os.environ, "PYTHONPATH": PATH})

    assert done.returncode == 0


def test_every_reference_is_defined():
    """No shape is named and left out."""
    content = document()
    text = str(content)
    names = {part.split("'")[0] for part in text.split("#/components/schemas/")[1:]}

    assert names == set(content["components"]["schemas"])


@pytest.mark.parametrize("key", [False, True])
def test_the_key_is_required_where_one_is_set(tmp_path, key):
    """The orchestrator's paths and the page need none."""
    (tmp_path / "key").write_text("sk-1")
    content = document(api_key_file=tmp_path / "key" if key else None)

    assert content["security"] == ([{"key": []}] if key else [{}, {"key": []}])
    assert {path for path, _, one in operations(content) if one.get("security") == []} == OPEN


async def test_every_example_is_answered(serving, upstream):
    """What the document shows can be pasted."""
    async with serving(upstream_url=upstream.url) as client:
        content = (await client.get("/openapi.json")).json()
        for path, _, operation in operations(content):
            if "requestBody" in operation:
                example = operation["requestBody"]["content"]["application/json"]["example"]
                body = {**example, "dimensions": 8} if path == "/v1/embeddings" else example
                answer = await client.post(path, json=body)
                assert answer.status_code in (200, 201), path


async def answers(client: httpx2.AsyncClient):
    """Return the shape and the answer of each operation."""
    post = {"documents": [{"id": "a", "text": "A wheel.", "metadata": {"page": 1, "draft": False}}]}
    yield responses.Health, await client.get("/health")
    yield responses.Ready, await client.get("/ready")
    yield responses.ModelList, await client.get("/v1/models")
    yield responses.ModelCard, await client.get("/v1/models/words")
    yield responses.EmbeddingList, await client.post("/v1/embeddings", json={"input": ["a", "b " * 300]})
    base64 = {"input": "a", "encoding_format": "base64"}
    yield responses.EmbeddingList, await client.post("/v1/embeddings", json=base64)
    yield responses.StoredDocuments, await client.post("/documents", json=post)
    yield responses.SearchResults, await client.post("/search", json={"query": "wheel"})
    yield responses.Answer, await client.post("/query", json={"question": "wheel?"})
    yield responses.ErrorEnvelope, await client.get("/v1/models/other")
    yield responses.ErrorEnvelope, await client.post("/search", json={"query": ""})


async def test_every_answer_has_the_shape_that_is_documented(serving, upstream):
    """Fields are neither missing nor more."""
    async with serving(upstream_url=upstream.url) as client:
        async for shape, answer in answers(client):
            assert shape.model_validate_json(answer.content), answer.url
