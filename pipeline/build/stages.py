"""The order of the stages: source, lock, wheels and models, root with environment, application, image.

`build_image` reads from top to bottom. A stage is a function of values; what several stages need of one
call is built once, because `Project.cache` keeps it under what it is built from.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import dagger

from pipeline.build.assets import asset_layers
from pipeline.build.cache_keys import layers_key, model_key, wheels_key
from pipeline.build.cuda import cuda_labels, with_cuda, without_cuda
from pipeline.build.image import (
    Environment,
    app_layer,
    archived,
    base_labels,
    environment,
    environment_layers,
    image_labels,
    prove,
    runtime_image,
    unarchived,
    with_layers,
)
from pipeline.build.lock import REFRESH, Lock, check_fresh
from pipeline.build.lock_files import lock_of
from pipeline.build.models import Model, ModelBuilder, model_directories, model_folder
from pipeline.build.project import Project
from pipeline.build.rootfs import base_image
from pipeline.build.source import application as application_of
from pipeline.build.source import require_paths
from pipeline.build.wheels import compilation_of, wheel_directory
from pipeline.errors import LockError
from pipeline.tasks import gather
from pipeline.variants import Base, Variant

TEST_LOCK: Final = "requirements/test.txt"


@dataclass(frozen=True, kw_only=True, eq=False)
class BuiltImage:
    """The image of one variant, and what it was built from."""

    project: Project
    variant: Variant
    base: Base
    container: dagger.Container
    lock: Lock
    labels: dict[str, str]


async def build_image(project: Project, variant: Variant, base: Base) -> BuiltImage:
    """Build the image of a variant.

    Raises:
        ConfigError: `packages` or `tests` names what the source does not have.
        LockError: a lock is absent, stale or malformed.
        dagger.ExecError: a wheel, a model or the application cannot be built; stderr says which.

    """
    await require_paths(project.files, project.config)
    lock = await locked(project, variant)
    models, environment_on_base, application = await gather(
        built_models(project, variant),
        base_with_environment(project, variant, base, lock),
        application_layer(project),
    )
    labels = {
        **image_labels(project.config, variant),
        **base_labels(await project.builder.reference()),
        **cuda_labels(project.cuda_image(variant)),
    }
    assets = await built_assets(project, variant, lock)
    layers = (*(model.layer for model in models.values()), *assets, application)
    container = runtime_image(environment_on_base, layers, project.config, variant, labels)
    return BuiltImage(
        project=project, variant=variant, base=base, container=container, lock=lock, labels=labels
    )


async def locked(project: Project, variant: Variant) -> Lock:
    """Return the pins of a variant, checked against what the project declares.

    Raises:
        LockError: no lock, a line without hash, or a stale pin.

    """
    config, service = project.config, project.config.service
    path, lock = await lock_of(
        project.builder, project.files, variant.value, config.variant(variant), service.packages
    )
    check_fresh(lock, config.requirements(variant), python=service.python, path=path)
    return without_cuda(lock) if project.cuda_image(variant) else lock


async def built_wheels(
    project: Project, lock: Lock, build_packages: tuple[str, ...] = ()
) -> dagger.Directory:
    """Return the wheels of these pins; Debian's build packages are there for those that are compiled."""
    compilation = compilation_of(project.config.service, lock, build_packages)

    async def build() -> dagger.Directory:
        builder = await project.builder_with_tools()
        builder = replace(builder, extra_indexes=(*project.config.indexes, *lock.indexes))
        return await wheel_directory(builder, lock, compilation)

    return await project.cache.get_or_build(project.builder, wheels_key(lock, compilation), build)


async def image_wheels(project: Project, variant: Variant, lock: Lock) -> dagger.Directory:
    """Return the wheels that the image of a variant is built from."""
    return await built_wheels(project, lock, project.config.variant(variant).build_packages)


async def test_wheels(project: Project, lock: Lock) -> dagger.Directory | None:
    """Return the wheels that tests need beyond those of the image; None without a lock of them."""
    text = await project.files.text(TEST_LOCK)
    return (
        await built_wheels(project, Lock.parse(text, path=TEST_LOCK).without(lock))
        if text is not None
        else None
    )


async def built_models(project: Project, variant: Variant) -> dict[str, Model]:
    """Return the models of a variant by name.

    Raises:
        LockError: the variant has models and the service no models.lock.
        dagger.ExecError: models.lock is stale, or a model cannot be fetched or exported.

    """
    if not project.config.variant(variant).models:
        return {}
    text = await project.files.text("models.lock")
    if text is None:
        raise LockError.of(
            "the source has no models.lock", expected="sha256 and size of each file", do=REFRESH
        )
    builder, recipes = project.model_builder(text), project.config.exports(variant)
    models: dict[str, Model] = {}
    for name, tree in model_directories(builder, project.config, variant).items():
        key = model_key(project.config.service, name, text, recipes[name])
        build = partial(_exported, project, builder, tree)
        exported = await project.cache.get_or_build(project.builder, key, build)
        models[name] = Model(tree=exported, folder=model_folder(name, recipes[name]))
    return models


async def _exported(project: Project, builder: ModelBuilder, tree: dagger.Directory) -> dagger.Directory:
    await builder.require_fresh(await project.files.text("pyproject.toml") or "")
    return tree


async def built_assets(project: Project, variant: Variant, lock: Lock) -> tuple[dagger.Directory, ...]:
    """Return the layers of data that libraries would download when the service runs."""
    if not project.config.service.assets:
        return ()
    installed = await _environment(project, variant, lock)
    return await asset_layers(await project.builder_with_tools(), installed.tree, project.config)


async def base_with_environment(
    project: Project, variant: Variant, base: Base, lock: Lock
) -> dagger.Container:
    """Return the root of the image: interpreter, OS libraries, and the environment proven on them.

    A remote cache has the small root as an archive of its layers.
    """
    if project.cache.remote is None or base is Base.SLIM or project.cuda_image(variant):
        return await _built_base_with_environment(project, variant, base, lock)

    built: list[dagger.Container] = []

    async def build() -> dagger.Directory:
        built.append(await _built_base_with_environment(project, variant, base, lock))
        return await archived(built[0])

    key = layers_key(project.config, variant, lock)
    layers = await project.cache.get_or_build(project.builder, key, build)
    return built[0] if built else unarchived(project.builder, layers)


async def _built_base_with_environment(
    project: Project, variant: Variant, base: Base, lock: Lock
) -> dagger.Container:
    installed = await _environment(project, variant, lock)
    builder, declared = await project.builder_with_tools(), project.config.variant(variant)
    root = await base_image(builder, installed.tree, declared, base, shell=project.config.service.shell)
    await prove(builder, root, installed.tree, installed.pruned)
    return with_layers(root, await environment_layers(installed))


async def _environment(project: Project, variant: Variant, lock: Lock) -> Environment:
    wheels = await image_wheels(project, variant, lock)
    builder = await project.builder_with_tools()
    installed = environment(builder, wheels, project.config, variant)
    if project.cuda_image(variant):
        cuda = await with_cuda(builder, installed.tree, project.config.service.python)
        return replace(installed, tree=cuda.venv, cuda=cuda.layer)
    return replace(installed, tree=await installed.tree.sync())


async def application_layer(project: Project) -> dagger.Directory:
    """Return the layer of the service's own packages."""
    builder = await project.builder_with_tools()
    application = await application_of(builder, project.source, project.config)
    return await app_layer(project.builder, application, project.config.service.writable).sync()
