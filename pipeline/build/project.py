"""A service that is built: its files, its configuration, and what builds it."""

from dataclasses import dataclass, field, replace
from typing import Self

import dagger

from pipeline.build.base_cache import BaseCache
from pipeline.build.cache import BuildCache, RemoteCache, RemoteCacheOptions
from pipeline.build.cache_keys import TOOLS
from pipeline.build.cuda import require_no_devel
from pipeline.build.models import Hub, ModelBuilder
from pipeline.build.source import SourceFiles
from pipeline.config import Config
from pipeline.containers import Builder
from pipeline.projects import absent
from pipeline.variants import VARIANTS, Variant


@dataclass(frozen=True, kw_only=True, eq=False)
class Project:
    """One service, and the builder and caches that it is built with."""

    files: SourceFiles
    config: Config
    builder: Builder
    hub: Hub
    cache: BuildCache = field(default_factory=BuildCache)

    @classmethod
    async def of(
        cls, source: dagger.Directory, builder: Builder, hub: Hub, shared: RemoteCacheOptions | None = None
    ) -> Self:
        """Return the project of a service's folder.

        Raises:
            ConfigError: no pyproject.toml, or it is wrong.

        """
        files = SourceFiles(root=source)
        pyproject = await files.text("pyproject.toml")
        if pyproject is None:
            raise absent(await files.entries())
        config = Config.parse(pyproject)
        builder = replace(builder, image=builder.image or f"python:{config.service.python}-slim")
        remote = await RemoteCache.of(shared) if shared else None
        if remote:
            builder = await BaseCache(cache=remote).kept(builder)
        return cls(files=files, config=config, builder=builder, hub=hub, cache=BuildCache(remote=remote))

    @property
    def source(self) -> dagger.Directory:
        """The service's folder."""
        return self.files.root

    def on(self, platform: str) -> Self:
        """Return the same service, built for another platform; "" for the engine's own."""
        if not platform:
            return self
        builder = replace(self.builder, platform=platform, kept=None)
        return replace(self, builder=builder, cache=BuildCache(remote=self.cache.remote))

    async def builder_with_tools(self) -> Builder:
        """Return the builder with its tools installed. Ask for it once the locks are known to be good."""

        async def install() -> dagger.Directory:
            return self.builder.installed_tools()

        return replace(self.builder, toolbox=await self.cache.get_or_build(self.builder, TOOLS, install))

    def model_builder(self, models_lock: str) -> ModelBuilder:
        """Return what exports models, given the text of models.lock."""
        return ModelBuilder(
            builder=self.builder,
            hub=self.hub,
            lock=models_lock,
            source=self.source,
            licences=self.config.service.licences,
        )

    def cuda_image(self, variant: Variant) -> str:
        """Return the image that CUDA libraries come from; "" where wheels bring them, or none is wanted."""
        if not VARIANTS[variant].cuda:
            return ""
        require_no_devel(self.builder.cuda_image)
        return self.builder.cuda_image
