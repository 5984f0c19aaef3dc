"""The main object: what `dagger functions` lists, each method one call of a room."""

import time
from typing import Annotated

import dagger
from dagger import DefaultPath, Doc, Ignore, function, object_type

from pipeline.artifacts import image_artifacts
from pipeline.assembly import Assembly
from pipeline.builder import Builder
from pipeline.checks import test_reports
from pipeline.dev import live_service, send_source
from pipeline.layers import layer_table
from pipeline.models import Hub, model_cache
from pipeline.publish import publish_tested
from pipeline.refresh import fresh_locks
from pipeline.tags import Commit
from pipeline.variants import Base, Variant

Which = Annotated[Variant, Doc("Which image")]
On = Annotated[Base, Doc("What the image stands on")]


@object_type
class Wheelhouse:
    """Build, test and publish small images of a Python LLM service."""

    source: Annotated[
        dagger.Directory,
        DefaultPath("/app"),
        Ignore([".git", ".venv", "**/__pycache__", "**/.env", "**/.pytest_cache", "out"]),
        Doc("The service: pyproject.toml with [tool.wheelhouse], requirements/, models.lock, code"),
    ]
    python_image: Annotated[str, Doc("Base image; empty: python:X.Y-slim of the service's Python")] = ""
    index_url: Annotated[str, Doc("Package index; empty: the installer's default")] = ""
    index_auth: Annotated[dagger.Secret | None, Doc("netrc file with credentials of the index")] = None
    hf_endpoint: Annotated[str, Doc("Base URL of a model hub; empty: the public one")] = ""
    hf_token: Annotated[dagger.Secret | None, Doc("Access token of the model hub")] = None

    # mypy: the SDK's overloads of `function` leave out `cache`, which it accepts at run time.
    @function(cache="never")  # type: ignore[call-overload, untyped-decorator]
    async def lock(
        self, upgrade: Annotated[bool, Doc("Newest versions, not only what is missing")] = False
    ) -> dagger.Directory:
        """Make the lock files anew; save them with -o into the service's folder."""
        return await fresh_locks(await self._assembly(), upgrade=upgrade, now=str(time.time_ns()))

    @function
    async def wheels(self, variant: Which = Variant.CPU) -> dagger.Directory:
        """Make every wheel that a variant needs, each checked by its hash."""
        return await (await self._assembly()).wheels(variant)

    @function
    async def models(self, variant: Which = Variant.CPU) -> dagger.Directory:
        """Make the models of a variant in the format they run in."""
        return model_cache(await (await self._assembly()).models(variant))

    @function
    async def build(self, variant: Which = Variant.CPU, base: On = Base.SMALL) -> dagger.Container:
        """Build the runtime image of a variant."""
        return await (await self._assembly()).image(variant, base)

    @function(cache="never")  # type: ignore[call-overload, untyped-decorator]
    async def artifacts(self, variant: Which = Variant.CPU, base: On = Base.SMALL) -> dagger.Directory:
        """Make the archive of an image and a page about it: layers, wheels, models, seconds."""
        return await image_artifacts(await self._assembly(), variant, base)

    @function(cache="never")  # type: ignore[call-overload, untyped-decorator]
    async def dev(
        self, variant: Which = Variant.CPU, debug_port: Annotated[int, Doc("Port for debugpy; 0: none")] = 0
    ) -> dagger.Service:
        """Run the service for development: started anew at each `reload`; use with `up`."""
        assembly = await self._assembly()
        return await live_service(assembly, variant, debug_port=debug_port, now=str(time.time_ns()))

    @function(cache="never")  # type: ignore[call-overload, untyped-decorator]
    async def reload(self) -> str:
        """Send the edited source to the service that `dev` runs; list what changed."""
        return await send_source(await self._assembly(), str(time.time_ns()))

    @function
    async def layers(self, variant: Which = Variant.CPU, base: On = Base.SMALL) -> str:
        """Show what each layer of an image holds and weighs."""
        assembly = await self._assembly()
        return await layer_table(assembly.builder, await assembly.image(variant, base))

    @function
    async def test(self, variant: Which = Variant.CPU, base: On = Base.SMALL) -> dagger.Directory:
        """Test an image: the service's own tests inside it, then the service over HTTP."""
        assembly = await self._assembly()
        return await test_reports(assembly.builder, await assembly.subject(variant, base))

    @function(cache="never")  # type: ignore[call-overload, untyped-decorator]
    async def publish(
        self,
        address: Annotated[str, Doc("REGISTRY/REPOSITORY without a tag")],
        repository: Annotated[dagger.GitRepository, DefaultPath("/"), Doc("HEAD of it makes the tags")],
        variants: Annotated[list[Variant], Doc("Which images")] = [Variant.CPU],  # noqa: B006 - read only
    ) -> list[str]:
        """Test, then push: one reference per tag, `sha-<12 hex digits>`."""
        head = Commit.parse(await repository.head().commit())
        return await publish_tested(await self._assembly(), address, head, variants)

    async def _assembly(self) -> Assembly:
        hub = Hub(endpoint=self.hf_endpoint, token=self.hf_token)
        builder = Builder(image=self.python_image, index_url=self.index_url, index_auth=self.index_auth)
        return await Assembly.of(self.source, builder, hub)
