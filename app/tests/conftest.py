"""Fixtures: the application, its upstream, the real process and the real model."""

import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import httpx2
import pytest
from doubles import Script, WordEmbedder, loaded, playing, until_ready
from processes import Process, started, wait_until_ready
from rag.local import is_local
from rag.main import create_app
from rag.settings import Settings


@pytest.fixture
def embedder() -> WordEmbedder:
    """Give the embedder behind `client`."""
    return WordEmbedder()


@pytest.fixture
def serving(embedder: WordEmbedder) -> Callable[..., object]:
    """Give a context manager: the application with these settings, and a client for it."""

    @asynccontextmanager
    async def open_client(*, wait: bool = True, **changed: object) -> AsyncIterator[httpx2.AsyncClient]:
        app = create_app(Settings.model_validate(changed), loaded(embedder))
        transport = httpx2.ASGITransport(app, raise_app_exceptions=True)
        async with (
            app.router.lifespan_context(app),
            httpx2.AsyncClient(transport=transport, base_url="http://rag") as client,
        ):
            if wait:
                await until_ready(client)
            yield client

    return open_client


@pytest.fixture
async def client(serving) -> AsyncIterator[httpx2.AsyncClient]:
    """Give a client of the ready application with default settings."""
    async with serving() as opened:
        yield opened


@pytest.fixture
def upstream() -> Iterator[Script]:
    """Give a real HTTP server that plays an OpenAI-compatible upstream."""
    with playing() as script:
        yield script


@pytest.fixture(scope="module")
def process() -> Iterator[Process]:
    """Give the real, ready service, embedding through a scripted upstream; shared by a module."""
    with (
        playing() as upstream,
        started(EMBEDDER="upstream", UPSTREAM_URL=upstream.url, VOCABULARY="model") as made,
    ):
        made.upstream = upstream
        wait_until_ready(made)
        yield made


@pytest.fixture(scope="session")
def model_settings() -> Settings:
    """Give the settings of the real model; skip the test, with the reason, where there is none."""
    settings = Settings.from_environment(
        {name: os.environ.get(name, "") for name in ("MODEL_DIR", "DEVICE", "VOCABULARY_FILE")}
    )
    if not is_local(settings):
        pytest.skip("ONNX Runtime is not installed: this variant has no local model")
    if not (settings.model_dir / "model.onnx").is_file():
        pytest.skip(f"{settings.model_dir}/model.onnx is absent: set MODEL_DIR to an exported model")
    return settings
