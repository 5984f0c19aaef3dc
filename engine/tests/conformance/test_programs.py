"""Whole programs, as users of the client write them."""

import asyncio

import dagger
import pytest
from dagger import dag

pytestmark = pytest.mark.engine

SERVE = "import http.server as h; h.HTTPServer(('', 8000), h.SimpleHTTPRequestHandler).serve_forever()"
GET = "import urllib.request as u; print(u.urlopen('http://app:8000/out.txt').read().decode(), end='')"


async def test_matrix_of_multi_stage_builds(fresh: dagger.Container) -> None:
    """Builders with a cache and a secret run at once; what they made is put into images and served."""
    token = dag.set_secret("program-token", "very secret")
    source = dag.directory().with_new_file("in.txt", "text\n").with_new_file("skip.log", "x")

    async def build(variant: str) -> tuple[str, str]:
        builder = (
            fresh.with_mounted_cache("/cache", dag.cache_volume(f"program-{variant}"))
            .with_secret_variable("TOKEN", token)
            .with_directory("/src", source, exclude=["*.log"])
            .with_workdir("/src")
            .with_env_variable("VARIANT", variant)
            .with_exec(
                ["sh", "-c", "test ! -e skip.log; mkdir /out; (echo $VARIANT; cat in.txt) > /out/out.txt"]
            )
        )
        image = (
            fresh.with_directory("/srv", builder.directory("/out"), owner="1001")
            .with_user("1001")
            .with_workdir("/srv")
            .with_default_args(["python3", "-c", SERVE])
            .with_exposed_port(8000)
        )
        asked = fresh.with_service_binding("app", image.as_service()).with_exec(["python3", "-c", GET])
        return await asked.stdout(), await image.directory("/srv").digest()

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(build(variant)) for variant in ("cpu", "gpu")]
    outputs, digests = zip(*(task.result() for task in tasks), strict=True)

    assert outputs == ("cpu\ntext\n", "gpu\ntext\n")
    assert len(set(digests)) == 2
