"""How the stages follow each other for one service: each method is one stage with its inputs found."""

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, replace
from functools import partial, wraps
from typing import Any, Final, ParamSpec, Self, TypeVar
from weakref import WeakKeyDictionary

import anyio
import dagger

from pipeline.build.assets import asset_layers
from pipeline.build.base_cache import BaseCache
from pipeline.build.cache import Cache, CacheKey, Shared
from pipeline.build.cache_keys import TOOLS, layers_key, model_key, wheels_key
from pipeline.build.cuda import cuda_labels, require_no_devel, with_cuda, without_cuda
from pipeline.build.image import (
    Environment,
    app_layer,
    base_labels,
    environment,
    environment_layers,
    image_labels,
    prove,
    runtime_image,
    with_layers,
)
from pipeline.build.lock import REFRESH, Lock, check_fresh
from pipeline.build.lock_files import lock_of
from pipeline.build.models import Hub, Model, ModelBuilder, model_directories, model_folder
from pipeline.build.rootfs import base_image
from pipeline.build.source import SourceFiles, require_paths
from pipeline.build.source import application as application_of
from pipeline.build.wheels import wheel_directory
from pipeline.check.sbom import Subject as Listed
from pipeline.check.tests import Subject
from pipeline.config import Config
from pipeline.containers import Builder
from pipeline.errors import LockError
from pipeline.projects import absent
from pipeline.publish.oci_layout import archived, unarchived
from pipeline.tasks import task_group
from pipeline.variants import VARIANTS, Base, Variant

P = ParamSpec("P")
T = TypeVar("T")
TEST_LOCK: Final = "requirements/test.txt"


def once(stage: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Ask for a stage's result once per assembly, however many functions need it."""
    results: WeakKeyDictionary[object, dict[object, T]] = WeakKeyDictionary()
    turns: WeakKeyDictionary[object, dict[object, anyio.Lock]] = WeakKeyDictionary()

    @wraps(stage)
    async def remembered(*args: P.args, **kwargs: P.kwargs) -> T:
        known = results.setdefault(args[0], {})
        # Branches that run at once wait for the first: a shared stage would be taken or stored twice.
        async with turns.setdefault(args[0], {}).setdefault(args[1:], anyio.Lock()):
            if args[1:] not in known:
                known[args[1:]] = await stage(*args, **kwargs)
        return known[args[1:]]

    return remembered


@dataclass(frozen=True, kw_only=True, eq=False)
class Assembly:
    """One service on its way through the stages."""

    files: SourceFiles
    builder: Builder
    hub: Hub
    config: Config
    cache: Cache | None = None
    """Where made directories are shared; None: nowhere."""

    @classmethod
    async def of(
        cls, source: dagger.Directory, builder: Builder, hub: Hub, shared: Shared | None = None
    ) -> Self:
        """Return the assembly of a service's folder.

        Raises:
            ConfigError: no pyproject.toml, or it is wrong.

        """
        files = SourceFiles(root=source)
        pyproject = await files.text("pyproject.toml")
        if pyproject is None:
            raise absent(await files.entries())
        config = Config.parse(pyproject)
        image = builder.image or f"python:{config.service.python}-slim"
        builder = replace(builder, image=image)
        cache = await Cache.of(shared) if shared else None
        builder = await BaseCache(cache=cache).kept(builder) if cache else builder
        return cls(files=files, builder=builder, hub=hub, config=config, cache=cache)

    @property
    def source(self) -> dagger.Directory:
        """The service's folder."""
        return self.files.root

    def on(self, platform: str) -> Self:
        """Return the assembly of the same service for another platform; "" for the engine's own."""
        if not platform:
            return self
        return replace(self, builder=replace(self.builder, platform=platform, kept=None))

    @once
    async def builder_with_tools(self) -> Builder:
        """Return the builder with its tools installed: asked for once the locks are known to be good."""
        return replace(self.builder, toolbox=await self._shared(TOOLS, self._tools))

    @once
    async def lock(self, variant: Variant) -> Lock:
        """Return the variant's pins, checked against what the project declares.

        Raises:
            LockError: no lock, a line without hash, or a stale pin.

        """
        declared = self.config.requirements(variant)
        packages = self.config.service.packages
        path, lock = await lock_of(
            self.builder, self.files, variant.value, self.config.variant(variant), packages
        )
        check_fresh(lock, declared, python=self.config.service.python, path=path)
        return without_cuda(lock) if self.cuda_image(variant) else lock

    @once
    async def wheels(self, variant: Variant) -> dagger.Directory:
        """Return the wheels of a variant."""
        return await self._wheels(await self.lock(variant), self.config.variant(variant).build_packages)

    @once
    async def models(self, variant: Variant) -> dict[str, Model]:
        """Return the models of a variant by name.

        Raises:
            LockError: the variant has models and the service no models.lock.
            dagger.ExecError: models.lock is stale, or a model cannot be had or made.

        """
        if not self.config.variant(variant).models:
            return {}
        text = await self.files.text("models.lock")
        if text is None:
            raise LockError.of(
                "the source has no models.lock", expected="sha256 and size of each file", do=REFRESH
            )
        lazy = model_directories(self.model_builder(text), self.config, variant)
        recipes = self.config.exports(variant)
        return {
            name: Model(
                tree=await self._shared(
                    model_key(self.config.service, name, text, recipes[name]),
                    partial(self._model, text, model),
                ),
                folder=model_folder(name, recipes[name]),
            )
            for name, model in lazy.items()
        }

    def model_builder(self, models_lock: str) -> ModelBuilder:
        """Return what models are made with, given the text of models.lock."""
        licences = self.config.service.licences
        return ModelBuilder(
            builder=self.builder, hub=self.hub, lock=models_lock, source=self.source, licences=licences
        )

    @once
    async def image(self, variant: Variant, base: Base) -> dagger.Container:
        """Return the runtime image of a variant.

        Raises:
            ConfigError: `packages` or `tests` names what the source does not have.

        """
        await require_paths(self.files, self.config)
        await self.lock(variant)
        async with task_group() as group:
            # The long branches at once; their results are taken from memory below.
            group.start_soon(self.models, variant)
            group.start_soon(self._base_with_environment, variant, base)
            group.start_soon(self._application)
        ground = await self._base_with_environment(variant, base)
        models = [model.layer for model in (await self.models(variant)).values()]
        parts = (*models, *await self._assets(variant), await self._application())
        base_reference = await self.builder.reference()
        cuda = cuda_labels(self.cuda_image(variant))
        labels = {**image_labels(self.config, variant), **base_labels(base_reference), **cuda}
        return runtime_image(ground, parts, self.config, variant, labels)

    async def _assets(self, variant: Variant) -> tuple[dagger.Directory, ...]:
        if not self.config.service.assets:
            return ()
        venv = await self._environment(variant)
        return await asset_layers(await self.builder_with_tools(), venv.tree, self.config)

    @once
    async def _application(self) -> dagger.Directory:
        """Return the layer of the service's own packages."""
        builder_with_tools = await self.builder_with_tools()
        application = await application_of(builder_with_tools, self.source, self.config)
        return await app_layer(self.builder, application, self.config.service.writable).sync()

    @once
    async def _base_with_environment(self, variant: Variant, base: Base) -> dagger.Container:
        """Return what the service stands on: the base, and the environment proven on it."""
        if self.cache is None or base is Base.SLIM or self.cuda_image(variant):
            return await self._built_base_with_environment(variant, base)
        made: list[dagger.Container] = []

        async def make() -> dagger.Directory:
            made.append(await self._built_base_with_environment(variant, base))
            return await archived(made[0])

        found = await self._shared(layers_key(self.config, variant, await self.lock(variant)), make)
        return made[0] if made else unarchived(self.builder, found)

    async def _built_base_with_environment(self, variant: Variant, base: Base) -> dagger.Container:
        venv = await self._environment(variant)
        builder_with_tools, declared = await self.builder_with_tools(), self.config.variant(variant)
        shell = self.config.service.shell
        bottom = await base_image(builder_with_tools, venv.tree, declared, base, shell=shell)
        await prove(builder_with_tools, bottom, venv.tree, venv.pruned)
        return with_layers(bottom, await environment_layers(venv))

    async def _environment(self, variant: Variant) -> Environment:
        wheels = await self.wheels(variant)
        builder_with_tools = await self.builder_with_tools()
        venv = environment(builder_with_tools, wheels, self.config, variant)
        if self.cuda_image(variant):
            cuda = await with_cuda(builder_with_tools, venv.tree, self.config.service.python)
            return replace(venv, tree=cuda.venv, cuda=cuda.layer)
        return replace(venv, tree=await venv.tree.sync())

    def cuda_image(self, variant: Variant) -> str:
        """Return the image that CUDA libraries come from; "" where wheels bring them, or none is wanted."""
        if not VARIANTS[variant].cuda:
            return ""
        require_no_devel(self.builder.cuda_image)
        return self.builder.cuda_image

    async def subject(self, variant: Variant, base: Base) -> Subject:
        """Return what the tests of a variant need."""
        return Subject(
            image=await self.image(variant, base),
            config=self.config,
            variant=variant,
            source=self.source,
            wheels=await self._test_wheels(variant),
        )

    async def listed(self, variant: Variant, base: Base) -> Listed:
        """Return what the software list of a variant is made from."""
        return Listed(
            image=await self.image(variant, base),
            labels=image_labels(self.config, variant),
            requirements=self.config.requirements(variant),
            lock=(await self.lock(variant)).text,
            wheels=await self.wheels(variant),
        )

    async def _test_wheels(self, variant: Variant) -> dagger.Directory | None:
        """Return the wheels that the tests need beyond those in the image."""
        text = await self.files.text(TEST_LOCK)
        if text is None:
            return None
        return await self._wheels(Lock.parse(text, path=TEST_LOCK).without(await self.lock(variant)), ())

    async def _wheels(self, lock: Lock, packages: tuple[str, ...]) -> dagger.Directory:
        async def make() -> dagger.Directory:
            builder = replace(
                await self.builder_with_tools(), extra_indexes=(*self.config.indexes, *lock.indexes)
            )
            return await wheel_directory(builder, lock, packages)

        return await self._shared(wheels_key(lock, packages), make)

    async def _shared(
        self, material: CacheKey, make: Callable[[], Awaitable[dagger.Directory]]
    ) -> dagger.Directory:
        """Return what the cache has of a material, else what `make` makes."""
        if self.cache is None:
            return await (await make()).sync()
        return await self.cache.get_or_build(self.builder, material, make)

    async def _tools(self) -> dagger.Directory:
        return self.builder.installed_tools()

    async def _model(self, models_lock: str, model: dagger.Directory) -> dagger.Directory:
        await self._require_fresh_models(models_lock)
        return model

    @once
    async def _require_fresh_models(self, models_lock: str) -> None:
        pyproject = await self.files.text("pyproject.toml") or ""
        await self.model_builder(models_lock).require_fresh(pyproject)
